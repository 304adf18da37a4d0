import { DurableObject } from "cloudflare:workers";
import { approversOf } from "../domain/policy.ts";
import type { BreakGlass } from "../domain/break-glass.ts";
import { planExchange, type ExchangeFault } from "../domain/exchange.ts";
import type { Grant, Narrowing } from "../domain/grant.ts";
import type { LimitReached } from "../domain/limits.ts";
import { compilePatterns } from "../domain/pattern.ts";
import type { SessionRequest } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type {
  ActiveSession,
  BreakGlassConflict,
  DecideFault,
  Decider,
  EndedBy,
  EndedSession,
  PendingSession,
  SessionState,
  TypedCode,
} from "../domain/session.ts";
import type { Granted, StepUp, StepUpFault } from "../domain/step-up.ts";
import { loadTenant } from "../tenancy.ts";
import { within } from "../within.ts";
import { approvalLink, signApprovalLink } from "./approval-link.ts";
import { Decisions } from "./decisions.ts";
import { Endings } from "./endings.ts";
import { GroupCommit } from "./group-commit.ts";
import type { EventData } from "./journal.ts";
import { HandingOut, type HandedOut, type HandingOutFault } from "./handing-out.ts";
import { LeaseMints } from "./lease-mints.ts";
import { LeaseReturns } from "./lease-returns.ts";
import { Leases, type LeaseFault } from "./leases.ts";
import { Metering, type CallFault } from "./metering.ts";
import type { OneTime } from "./one-time.ts";
import { open } from "./opening.ts";
import { ServerCalls, type ServerCallFault } from "./server-calls.ts";
import { recordMint } from "./minted-tokens.ts";
import { identityOf, Redemption, type CodeFault, type PollFault } from "./redemption.ts";
import { SessionBooks } from "./session-books.ts";
import { SessionClockwork } from "./session-clockwork.ts";
import { StepUps } from "./step-ups.ts";
import type {
  Activity,
  AnswerCommand,
  CallCommand,
  CallPermit,
  CodeProgress,
  ExchangeCommand,
  HandOutCommand,
  LiveFault,
  Minting,
  OpenCommand,
  PollCommand,
  PresentedToken,
  RedeemCodeCommand,
  ReserveCommand,
  ServerCallCommand,
  ServerPermit,
  SessionDescription,
  Standing,
  UpstreamMisdeed,
  UseFault,
  UseCommand,
} from "./session-commands.ts";
import { Waiting } from "./waiting.ts";

/** Events that a watching approver is shown. */
const MAX_ACTIVITY = 30;
/** How long one question whether the session is over waits for its end: what an object has not been told shows in the next. */
const WATCH_MS = 5000;
/** How long the answer to an agent's last call may wait for upstreams to take credentials back. */
const CLOSING_WAIT_MS = 5000;

/**
 * One session: a thin shell of transactions around the state machine in `domain/session.ts`. Every
 * method reads storage, decides and writes in one synchronous step; what awaits comes after, and
 * what was read before an await is read again.
 */
export class Session extends DurableObject<Env> {
  readonly #storage = this.ctx.storage;
  readonly #books = new SessionBooks(this.#storage);
  readonly #decisions = new Decisions(this.#books);
  readonly #redemption = new Redemption(this.#books);
  readonly #stepUps = new StepUps(this.#books);
  readonly #endings = new Endings(this.#books);
  readonly #waiting = new Waiting(this.#books);
  readonly #metering = new Metering(this.#books);
  readonly #serverCalls = new ServerCalls(this.#books, this.#metering);
  readonly #group = new GroupCommit(
    (work) => this.#books.transaction(work),
    () => this.#storage.sync(),
  );
  readonly #returns = new LeaseReturns(this.env, this.#books);
  readonly #mints = new LeaseMints(this.env, this.#books, this.#returns);
  readonly #leases = new Leases(this.env, this.#books, this.#mints, this.#returns);
  readonly #handingOut = new HandingOut(this.env, this.#books, this.#mints, this.#returns);
  readonly #clockwork = new SessionClockwork(this.ctx, this.env, this.#books, this.#returns);

  /** Begins a session and queues its links. The same session again answers where it stands and does nothing. */
  async open(command: OpenCommand): Promise<{ status: SessionState["status"]; request_expires_at: number }> {
    if (!this.#opened) this.#books.transaction(() => open(this.#books, command));
    await this.#clockwork.arm();
    const { status, request_expires_at } = this.#books.current();
    return { status, request_expires_at };
  }

  /** What was asked for; it never changes. */
  request(): SessionRequest | undefined {
    return this.#opened ? this.#books.store.state().request : undefined;
  }

  /** What the person who decided says to the agent. */
  comment(): string | undefined {
    const state = this.#opened ? this.#books.store.state() : undefined;
    return state === undefined || state.status === "pending" ? undefined : state.decision?.comment;
  }

  // For approvers.

  /** What an approver's page shows; only for somebody whom the request names. */
  view(person: string): Result<SessionDescription, "unknown_session" | "not_an_approver"> {
    if (!this.#opened) return err("unknown_session");
    const description = this.#books.describe();
    return mayLook(description.state, person) ? ok(description) : err("not_an_approver");
  }

  /** A person's link to this session, as it was sent to them: while it waits, to watch what they may end, or to review broken glass. */
  async link(person: string): Promise<{ token: string; waits: boolean } | undefined> {
    if (!this.#opened) return undefined;
    const state = this.#books.current();
    if (!mayLook(state, person) || (state.status === "ended" && state.broken === undefined)) return undefined;
    const tenant = await loadTenant(this.env, state.request.issuer);
    return { token: await signApprovalLink(tenant, state, person), waits: state.status === "pending" };
  }

  /** What the agent did lately, for whoever approved it. */
  activity(): Activity[] {
    if (!this.#opened) return [];
    return this.#books
      .journal()
      .newest(["call.authorized", "token.minted", "token.handed_out", "refused"], MAX_ACTIVITY)
      .map(({ at, type, data }) => ({ at, type, ...(JSON.parse(data) as Omit<Activity, "at" | "type">) }));
  }

  /** The grant that a narrowing would make, and its digest, for the approver to look at. */
  draft(decider: Decider, narrowing: Narrowing): Result<{ grant: Grant; digest: string }, DecideFault> {
    if (!this.#opened) return err({ reason: "not_an_approver" });
    return this.#decisions.draft(decider, narrowing);
  }

  async approve(
    decider: Decider,
    seen: Narrowing & { digest: string },
  ): Promise<Result<ActiveSession | PendingSession, DecideFault>> {
    if (!this.#opened) return err({ reason: "not_an_approver" });
    return this.#transact(() => this.#decisions.approve(decider, seen));
  }

  /** An approver typed a match code, right or wrong. */
  async typeCode(person: string, isRight: boolean): Promise<TypedCode> {
    if (!this.#opened) return "wrong";
    return this.#transact(() => this.#decisions.typeCode(person, isRight));
  }

  /** Lets an admin decide alone, tells everybody whom it concerns, and answers the admin's link. */
  async breakGlass(broken: BreakGlass): Promise<Result<{ link: string }, BreakGlassConflict>> {
    if (!this.#opened) return err("not_pending");
    const result = await this.#transact(() => this.#decisions.breakGlass(broken));
    if (!result.ok) return result;
    const tenant = await loadTenant(this.env, result.value.request.issuer);
    return ok({ link: await approvalLink(tenant, result.value, broken.person) });
  }

  async deny(decider: Decider, digest: string): Promise<Result<EndedSession, DecideFault>> {
    if (!this.#opened) return err({ reason: "not_an_approver" });
    return this.#transact(() => this.#decisions.deny(decider, digest));
  }

  // For the agent and the servers it calls.

  /** The agent asks whether it may begin. */
  async poll(command: PollCommand): Promise<Result<Minting, PollFault>> {
    if (!this.#opened) return err("unknown_session");
    return this.#transact(() => this.#redemption.poll(command));
  }

  /** Waits a while for whoever decides. */
  async untilDecided(): Promise<void> {
    if (this.#opened) await this.#waiting.untilDecided();
  }

  /** Waits until a human of this session's client did not want to look at another request of its. */
  async untilNobodyLooks(): Promise<void> {
    if (this.#opened) await this.#waiting.untilNobodyLooks();
  }

  nobodyLooks(): void {
    if (this.#opened) this.#waiting.nobodyLooks();
  }

  /** Waits until whoever asks how the request stands may be answered; false for whoever asks beside another. */
  async askTurn(): Promise<boolean> {
    return !this.#opened || this.#waiting.turn();
  }

  /** The client's human was asked this by the client, or would not be: it is asked once. */
  answerInput(name: string): void {
    if (this.#opened) this.#books.transaction(() => this.#waiting.answerInput(name));
  }

  isInputAnswered(name: string): boolean {
    return this.#opened && this.#waiting.isAnswered(name);
  }

  /** Whether the browser that began an authorization request may return by now. */
  isDecided(browserDigest: string): boolean {
    return this.#opened && this.#redemption.isDecided(browserDigest);
  }

  /** The browser that began an authorization request returns: with its code, if it was approved. */
  async takeCode(browserDigest: string): Promise<CodeProgress | undefined> {
    if (!this.#opened) return undefined;
    return this.#transact(() => this.#redemption.takeCode(browserDigest));
  }

  async redeemCode(command: RedeemCodeCommand): Promise<Result<Minting, CodeFault>> {
    if (!this.#opened) return err("unknown_session");
    return this.#transact(() => this.#redemption.redeemCode(command));
  }

  /** The agent is about to ask for more: its token and proof hold, and this is what it has. */
  async prepareStepUp(command: UseCommand): Promise<Result<ActiveSession, UseFault>> {
    if (!this.#opened) return err("unknown_session");
    return this.#transactTogether(() => this.#books.use(command));
  }

  /** Waits for one request for more at a time. */
  claimStepUp(requestId: string, until: number): Result<void, StepUpFault> {
    if (!this.#opened) return err("ended");
    return this.#books.transaction(() => this.#stepUps.claim(requestId, until));
  }

  /** Takes a second approved grant in the place of the first; answers whether this session holds it now. */
  async extend(more: Granted): Promise<boolean> {
    if (!this.#opened) return false;
    return this.#transact(() => this.#stepUps.extend(more));
  }

  /** A request for more came to nothing. */
  async stepUpOver(requestId: string, how: StepUp["status"], comment?: string): Promise<void> {
    if (!this.#opened) return;
    await this.#transact(() => this.#stepUps.over(requestId, how, comment));
  }

  /** Mints a token for one audience: one transaction that uses up the proof, decides, and records. */
  async exchange(command: ExchangeCommand): Promise<Result<Minting, UseFault | ExchangeFault>> {
    if (!this.#opened) return err("unknown_session");
    const { mint, ask, standing } = command;
    return this.#transactTogether((): Result<Minting, UseFault | ExchangeFault> => {
      const used = this.#books.use(command);
      if (!used.ok) return used;
      const { grant, grant_digest } = used.value;
      const plan = planExchange(grant, ask, compilePatterns(standing.allow), this.#books.now());
      const { audience } = ask.target;
      if (!plan.ok) {
        this.#books.refuse({ reason: plan.error, audience, actor: mint.actor });
        return plan;
      }
      recordMint(this.#books, used.value, command.token, { ...mint, audience, expires_at: plan.value.expires_at });
      return ok({ ...identityOf(grant), ...plan.value, jti: mint.jti, jkt: mint.jkt, grant_digest, audience });
    });
  }

  /** Gives a server an upstream's own token, encrypted to it. */
  async handOut(command: HandOutCommand): Promise<Result<HandedOut, HandingOutFault>> {
    if (!this.#opened) return err("unknown_session");
    const handed = await this.#handingOut.handOut(command);
    await this.#clockwork.arm();
    return handed;
  }

  /** Lets one request through to an upstream and hands out what to inject into it. */
  async call(command: CallCommand): Promise<Result<CallPermit, CallFault | LeaseFault>> {
    if (!this.#opened) return err("unknown_session");
    const permitted = await this.#transactTogether(() => this.#metering.authorize(command));
    if (!permitted.ok) return permitted;
    const { session, reservedBytes } = permitted.value;
    const units = command.calls.map(({ unit }) => unit);
    const credential = await this.#leases.credentialFor(command.upstream, units);
    if (!credential.ok) {
      await this.#transact(() => {
        this.#metering.settle(command.upstream, reservedBytes, 0);
        this.#books.usage.writeFreed();
      });
      return credential;
    }
    await this.#clockwork.armFeed();
    return ok({ ...credential.value, ends_at: session.grant.expires_at, reserved_bytes: reservedBytes });
  }

  /** Lets one request through to a registered server and mints what the server is shown. */
  async callServer(command: ServerCallCommand): Promise<Result<ServerPermit, ServerCallFault>> {
    if (!this.#opened) return err("unknown_session");
    return this.#transactTogether(() => this.#serverCalls.authorize(command));
  }

  /** Reserves more bytes for a request that was let through, and answers how many. */
  async reserveBytes(command: ReserveCommand): Promise<Result<number, "ended" | LimitReached>> {
    if (!this.#opened) return err("ended");
    return this.#transactTogether(() => this.#metering.reserveMore(command));
  }

  /**
   * Asked when the head of a call's answer is there: whether the answer may begin. As far as the head
   * says how many bytes it needs, those that are missing are reserved and the others free again; answers
   * how many are reserved then.
   */
  async beginAnswer(
    token: PresentedToken,
    standing: Standing,
    { upstream, limits, reservedBytes, neededBytes }: AnswerCommand,
  ): Promise<Result<number, "ended" | LimitReached>> {
    if (!this.#opened || !this.#books.live(token, standing).ok) return err("ended");
    if (neededBytes > reservedBytes) {
      const more = await this.reserveBytes({
        upstream,
        limits,
        neededBytes: neededBytes - reservedBytes,
        spareBytes: 0,
      });
      return more.ok ? ok(reservedBytes + more.value) : more;
    }
    await this.settle(upstream, reservedBytes, neededBytes);
    return ok(neededBytes);
  }

  /** Says how many bytes a request needed of those that were reserved for it. */
  async settle(upstream: string, reservedBytes: number, neededBytes: number): Promise<void> {
    if (!this.#opened || reservedBytes === neededBytes) return;
    this.#metering.settle(upstream, reservedBytes, neededBytes);
    await this.#clockwork.armFeed();
  }

  /**
   * Waits until a token of this session is worth nothing any more, at most {@link WATCH_MS}, and
   * answers whether it is: whoever passes a long stream on asks again and again.
   */
  async isOver(token: PresentedToken, standing: Standing): Promise<boolean> {
    const isOver = (): boolean => !this.#opened || !this.#books.live(token, standing).ok;
    if (isOver()) return true;
    await this.#books.takenAway.wait(WATCH_MS);
    return isOver();
  }

  /** An upstream did what it should not with the session's credential. */
  async reportUpstream({ kind, ...about }: UpstreamMisdeed): Promise<void> {
    if (!this.#opened) return;
    await this.#transact(() => {
      this.#books.record(`upstream.${kind}`, about);
      if (kind === "credential_refused") this.#leases.distrust(about.lease_id);
      else this.#books.queue(`flag:${about.upstream}`, { kind: "flag", upstream: about.upstream });
    });
  }

  /** Records a refusal that was decided before the session was asked: a call outside the token, a renewal. */
  async refuse(reason: string, data: EventData): Promise<void> {
    if (this.#opened) await this.#transactTogether(() => this.#books.refuse({ ...data, reason }));
  }

  /** Gives back what an upstream gave, because the account it came of was unlinked. */
  async giveBack(upstream: string): Promise<void> {
    if (!this.#opened) return;
    this.#leases.retire(upstream);
    await this.#clockwork.arm();
  }

  /** Whether a token of this session is good now. */
  introspect(token: PresentedToken, standing: Standing): Result<void, LiveFault> {
    if (!this.#opened) return err("unknown_session");
    const live = this.#books.live(token, standing);
    return live.ok ? ok(undefined) : live;
  }

  /** What the agent may know of its own session; also after its end. */
  async describe(token: PresentedToken, proof: OneTime): Promise<Result<SessionDescription, UseFault>> {
    if (!this.#opened) return err("unknown_session");
    return this.#transactTogether(() => {
      const used = this.#books.oneTime.consume(proof, this.#books.now());
      if (!used.ok) return used;
      if (this.#books.store.isTokenRevoked(token.jti)) return err("token_revoked" as const);
      return ok(this.#books.describe());
    });
  }

  /** The agent is done: it shows its session token. */
  async finish(agent: string, proof: OneTime): Promise<Result<SessionDescription, UseFault>> {
    if (!this.#opened) return err("unknown_session");
    const result = this.#books.transaction(() => this.#endings.finish(agent, proof));
    return result.ok ? this.#closeBooks() : result;
  }

  /** The agent takes back a request that nobody has decided yet. */
  async withdraw(agent: string): Promise<Result<SessionDescription, "unknown_session" | "not_pending">> {
    if (!this.#opened) return err("unknown_session");
    const result = this.#books.transaction(() => this.#endings.withdraw(agent));
    return result.ok ? this.#closeBooks() : result;
  }

  // For whoever may take it away.

  /** Takes the session away. When this returns, nothing that starts later succeeds. */
  async revoke(by: EndedBy, reason?: string): Promise<"revoked" | "already_ended" | "unknown_session"> {
    if (!this.#opened) return "unknown_session";
    return this.#transact(() => this.#endings.revoke(by, reason));
  }

  /**
   * Takes a token away (RFC 7009) and all that was minted from it: with the first one the session
   * ends, with any other the session goes on. Tokens of a session that is over are dead already.
   */
  async revokeToken(jti: string, by: EndedBy): Promise<void> {
    if (!this.#opened) return;
    await this.#transact(() => this.#endings.revokeToken(jti, by));
  }

  /** A place came free with an approver: links that were held back may go out. */
  async nudge(): Promise<void> {
    if (!this.#opened) return;
    this.#books.transaction(() => this.#books.outbox.hasten("notify", Date.now()));
    await this.#clockwork.arm();
  }

  /** For the operator. */
  inspect(): SessionDescription | undefined {
    return this.#opened ? this.#books.describe() : undefined;
  }

  override async alarm(): Promise<void> {
    if (this.#opened) await this.#clockwork.tick();
  }

  get #opened(): boolean {
    return this.#books.store.opened;
  }

  /** One transaction, and whatever it made due. */
  async #transact<T>(work: () => T): Promise<T> {
    const result = this.#books.transaction(work);
    await this.#clockwork.arm();
    return result;
  }

  /** As {@link #transact}, sharing a commit with the calls that arrive at the same time. */
  async #transactTogether<T>(work: () => T): Promise<T> {
    const result = await this.#group.run(work);
    await this.#clockwork.armFeed();
    return result;
  }

  /** Takes back what was lent while the agent waits, so that its answer can hold the receipt. */
  async #closeBooks(): Promise<Result<SessionDescription, never>> {
    await within(CLOSING_WAIT_MS, this.#clockwork.runDueJobs());
    await this.#clockwork.arm();
    return ok(this.#books.describe());
  }
}

/** Whether somebody was asked to decide it, or may alone. */
function mayLook({ plan, broken }: SessionState, person: string): boolean {
  return approversOf(plan).includes(person) || broken?.person === person;
}

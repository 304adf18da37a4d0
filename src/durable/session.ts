import { DurableObject } from "cloudflare:workers";
import { digestOf } from "../crypto/hash.ts";
import type { AccessUnit } from "../domain/access.ts";
import { unitsOf } from "../domain/access.ts";
import { planExchange, type ExchangeAsk, type ExchangeFault, type ExchangePlan } from "../domain/exchange.ts";
import type { Grant, Narrowing } from "../domain/grant.ts";
import { compilePattern } from "../domain/pattern.ts";
import { objectName } from "../domain/ids.ts";
import type { ApprovalPlan } from "../domain/policy.ts";
import type { SessionRequest } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import {
  approve,
  asOf,
  deny,
  draftGrant,
  finish,
  nextDeadline,
  openSession,
  POLL_INTERVAL_SECONDS,
  redeem,
  revoke,
  type ActiveSession,
  type DecideFault,
  type Decider,
  type EndedBy,
  type EndedSession,
  type RedeemFault,
  type SessionState,
} from "../domain/session.ts";
import { GroupCommit } from "./group-commit.ts";
import { Journal, type EventData } from "./journal.ts";
import { LeaseStore } from "./lease-store.ts";
import { Leases, type Credential, type LeaseFault } from "./leases.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { OneTimeStore, type OneTime, type OneTimeFault } from "./one-time.ts";
import { Outbox, type OutboxJob } from "./outbox.ts";
import { runSessionJob } from "./session-jobs.ts";
import { SessionStore, type SessionSetting } from "./session-store.ts";
import type { UsageStatement, LeaseStatement } from "../domain/receipt.ts";

/** By how much each impatient poll lengthens the interval, CIBA Core §11. */
const SLOW_DOWN_SECONDS = 5;
/** Early polls within this of the interval are the network's doing, in milliseconds. */
const POLL_GRACE_MS = 250;
/** How long the receipt of an ended session is kept in its object, in seconds. */
const RETENTION_SECONDS = 30 * 24 * 3600;
/** How long the answer to an agent's last call may wait for upstreams to take credentials back. */
const CLOSING_WAIT_MS = 5000;
/** Jobs of the outbox tried at once: what one object may have open toward the outside. */
const MAX_PARALLEL_JOBS = 6;
/** Batches of jobs in one go, before the alarm takes over. */
const MAX_JOB_ROUNDS = 5;
/** The platform drops an alarm whose handler keeps failing; this re-arms it long before. */
const ALARM_RETRY_MS = 5000;

/** What the tenant says of the session's client now. */
export interface Standing {
  /** Patterns of all policies in force for this client. */
  readonly allow: readonly string[];
  /** Sessions asked for until then (epoch seconds) are dead. */
  readonly killedUntil?: number | undefined;
}

export interface OpenCommand {
  readonly request: SessionRequest;
  readonly requestDigest: string;
  readonly plan: ApprovalPlan;
  readonly setting: SessionSetting;
  /** The channels on which each approver is told. */
  readonly channels: readonly string[];
}

/** A token of this session, already verified. */
export interface PresentedToken {
  readonly jti: string;
  /** Thumbprint of the key it is bound to. */
  readonly jkt: string;
}

export interface PollCommand {
  readonly client_id: string;
  readonly proof: OneTime;
  /** Thumbprint of the key that signed the proof. */
  readonly jkt: string;
  /** The id of the session token, if it comes to that. */
  readonly jti: string;
  readonly standing: Standing;
}

export type LiveFault = "unknown_session" | "ended" | "token_revoked" | "not_redeemed";

export type UseFault = LiveFault | OneTimeFault;

export interface ExchangeCommand {
  readonly token: PresentedToken;
  readonly proof: OneTime;
  readonly ask: ExchangeAsk;
  readonly standing: Standing;
  /** The id of the token to be minted, and whose key it is bound to. */
  readonly mint: { readonly jti: string; readonly jkt: string; readonly actor?: string | undefined };
}

/** A token that is recorded and may be signed. */
export interface Minting extends ExchangePlan {
  readonly session_id: string;
  readonly sub: string;
  readonly client_id: string;
  readonly grant_digest: string;
  readonly jti: string;
  readonly jkt: string;
}

export interface CallCommand {
  readonly token: PresentedToken;
  readonly proof: OneTime;
  readonly standing: Standing;
  readonly upstream: string;
  readonly unit: AccessUnit;
  readonly method: string;
}

export interface CallPermit {
  readonly credential: Credential;
  /** When the session ends, epoch seconds: nothing may be delivered after it. */
  readonly ends_at: number;
}

export interface SessionDescription {
  readonly state: SessionState;
  readonly setting: SessionSetting;
  readonly leases: readonly LeaseStatement[];
  readonly usage: UsageStatement;
  readonly receipt: string | undefined;
}

/**
 * One session: a thin shell of transactions around the state machine in `domain/session.ts`. Every
 * method reads storage, decides and writes in one synchronous step; what awaits comes after, and
 * what was read before an await is read again.
 */
export class Session extends DurableObject<Env> {
  readonly #storage = this.ctx.storage;
  readonly #store = new SessionStore(this.#storage.sql);
  readonly #oneTime = new OneTimeStore(this.#storage.sql);
  readonly #outbox = new Outbox(this.#storage.sql);
  readonly #leaseStore = new LeaseStore(this.#storage.sql);
  readonly #group = new GroupCommit(this.#storage);
  readonly #leases: Leases;
  #alarmAt: number | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#leases = new Leases(env, this.#storage, this.#leaseStore, {
      liveSession: (now) => this.#activeState(now),
      record: (type, data, now) => this.#journal().append(type, data, now),
      now: () => this.#now(),
      issuer: () => this.#store.setting().issuer,
      onOrphan: (leaseId) => this.#queue(`revoke:${leaseId}`, "revoke_lease", { lease_id: leaseId }),
    });
  }

  /** Begins a session and queues its links. The same session again answers where it stands and does nothing. */
  async open(command: OpenCommand): Promise<{ status: SessionState["status"]; request_expires_at: number }> {
    if (!this.#store.opened) {
      this.#storage.transactionSync(() => {
        const state = openSession(command.request, command.requestDigest, command.plan);
        this.#store.create(state, command.setting);
        const { client_id, session_id, jkt } = command.request;
        this.#record("session.requested", {
          client_id,
          session_id,
          jkt,
          request_digest: command.requestDigest,
          policy: command.plan.policy_id,
          approvers: command.plan.approvers,
          units: command.request.authorization_details.flatMap(unitsOf),
        });
        this.#queue("index:pending", "index", {});
        for (const channel of command.channels) {
          for (const person of command.plan.approvers)
            this.#queue(`notify:${channel}:${person}`, "notify", { channel, person });
        }
        if (command.channels.includes("slack")) this.#queue("notice", "notice", {});
      });
      await this.#arm();
    }
    const state = asOf(this.#store.state(), this.#now());
    return { status: state.status, request_expires_at: state.request_expires_at };
  }

  /** What an approver's page shows; only for somebody whom the request names. */
  view(person: string): Result<SessionDescription, "unknown_session" | "not_an_approver"> {
    if (!this.#store.opened) return err("unknown_session");
    const description = this.#describe();
    return description.state.plan.approvers.includes(person) ? ok(description) : err("not_an_approver");
  }

  /** The grant that a narrowing would make, and its digest, for the approver to look at. */
  draft(decider: Decider, narrowing: Narrowing): Result<{ grant: Grant; digest: string }, DecideFault> {
    if (!this.#store.opened) return err({ reason: "not_an_approver" });
    const grant = draftGrant(this.#store.state(), decider, narrowing, this.#now());
    return grant.ok ? ok({ grant: grant.value, digest: digestOf(grant.value) }) : grant;
  }

  async approve(decider: Decider, seen: Narrowing & { digest: string }): Promise<Result<ActiveSession, DecideFault>> {
    if (!this.#store.opened) return err({ reason: "not_an_approver" });
    const result = this.#storage.transactionSync(() => {
      const approved = approve(this.#store.state(), decider, seen, digestOf, this.#now());
      if (!approved.ok) {
        this.#refuseDecision(decider, approved.error);
        return approved;
      }
      const { grant, grant_digest } = approved.value;
      this.#store.write(approved.value);
      this.#record("decision.approved", {
        person: decider.person,
        assurance: decider.assurance,
        grant_digest,
        units: grant.authorization_details.flatMap(unitsOf),
        expires_at: grant.expires_at,
      });
      this.#queue("index:active", "index", {});
      this.#queue("settle", "settle", {});
      return approved;
    });
    await this.#arm();
    return result;
  }

  async deny(decider: Decider, digest: string): Promise<Result<EndedSession, DecideFault>> {
    if (!this.#store.opened) return err({ reason: "not_an_approver" });
    const result = this.#storage.transactionSync(() => {
      const denied = deny(this.#store.state(), decider, digest, this.#now());
      if (!denied.ok) {
        this.#refuseDecision(decider, denied.error);
        return denied;
      }
      this.#record("decision.denied", { person: decider.person, assurance: decider.assurance, request_digest: digest });
      this.#end(denied.value);
      return denied;
    });
    await this.#arm();
    return result;
  }

  /** The agent asks whether it may begin. The first time after the approval, it may. */
  async poll(
    command: PollCommand,
  ): Promise<Result<Minting, RedeemFault | OneTimeFault | "unknown_session" | "slow_down" | "wrong_key">> {
    if (!this.#store.opened) return err("unknown_session");
    const { client_id, proof, jkt, jti, standing } = command;
    const result = this.#storage.transactionSync(() => {
      const now = this.#now();
      const state = asOf(this.#store.state(), now);
      if (state.request.client_id !== client_id) return err("unknown_session" as const);
      if (state.request.jkt !== jkt) return err("wrong_key" as const);
      const used = this.#oneTime.consume(proof, now);
      if (!used.ok) return used;
      if (this.#isKilled(state, standing)) return err("denied" as const);
      if (state.status === "pending" && !this.#mayPoll()) return err("slow_down" as const);
      const redeemed = redeem(state, now);
      if (!redeemed.ok) {
        if (redeemed.error === "already_redeemed") this.#journal().refuse({ reason: "auth_req_id_reused" }, now);
        return redeemed;
      }
      this.#store.write(redeemed.value);
      const { grant, grant_digest } = redeemed.value;
      this.#record("token.minted", { jti, jkt, audience: grant.issuer, expires_at: grant.expires_at });
      const { authorization_details, expires_at } = grant;
      return ok({ ...identityOf(grant), jti, jkt, authorization_details, expires_at, grant_digest });
    });
    await this.#arm();
    return result;
  }

  /** Mints a token for one audience: one transaction that uses up the proof, decides, and records. */
  async exchange(command: ExchangeCommand): Promise<Result<Minting, UseFault | ExchangeFault>> {
    if (!this.#store.opened) return err("unknown_session");
    const result = await this.#group.run((): Result<Minting, UseFault | ExchangeFault> => {
      const now = this.#now();
      const used = this.#use(command, now);
      if (!used.ok) return used;
      const { grant, grant_digest } = used.value;
      const allowed = command.standing.allow.map(compilePattern);
      const plan = planExchange(grant, command.ask, (unit) => allowed.some((matches) => matches(unit)), now);
      const { mint, ask } = command;
      if (!plan.ok) {
        this.#journal().refuse({ reason: plan.error, audience: ask.target.audience, actor: mint.actor }, now);
        return plan;
      }
      this.#record("token.minted", {
        jti: mint.jti,
        jkt: mint.jkt,
        audience: ask.target.audience,
        actor: mint.actor,
        expires_at: plan.value.expires_at,
      });
      return ok({ ...identityOf(grant), ...plan.value, jti: mint.jti, jkt: mint.jkt, grant_digest });
    });
    await this.#arm();
    return result;
  }

  /** Lets one call through to an upstream and hands out what to inject into it. */
  async call(command: CallCommand): Promise<Result<CallPermit, UseFault | "not_granted" | LeaseFault>> {
    if (!this.#store.opened) return err("unknown_session");
    const permitted = await this.#group.run((): Result<ActiveSession, UseFault | "not_granted"> => {
      const now = this.#now();
      const used = this.#use(command, now);
      if (!used.ok) return used;
      const granted = used.value.grant.authorization_details.flatMap(unitsOf).includes(command.unit);
      const allowed = command.standing.allow.some((pattern) => compilePattern(pattern)(command.unit));
      if (!granted || !allowed) {
        this.#journal().refuse({ reason: "not_granted", unit: command.unit, method: command.method }, now);
        return err("not_granted");
      }
      this.#record("call.authorized", { jti: command.token.jti, unit: command.unit, method: command.method });
      return used;
    });
    await this.#arm();
    if (!permitted.ok) return permitted;
    const credential = await this.#leases.credentialFor(command.upstream, permitted.value.grant);
    await this.#arm();
    if (!credential.ok) return credential;
    return ok({ credential: credential.value, ends_at: permitted.value.grant.expires_at });
  }

  /** Records a refusal that was decided before the session was asked: a call outside the token, a renewal. */
  async refuse(reason: string, data: EventData): Promise<void> {
    if (!this.#store.opened) return;
    await this.#group.run(() => this.#journal().refuse({ ...data, reason }, this.#now()));
    await this.#arm();
  }

  /** Whether a token of this session is good now. */
  introspect(token: PresentedToken, standing: Standing): Result<void, LiveFault> {
    if (!this.#store.opened) return err("unknown_session");
    const live = this.#live(token, standing, this.#now());
    return live.ok ? ok(undefined) : live;
  }

  /** What the agent may know of its own session; also after its end. */
  async describe(token: PresentedToken, proof: OneTime): Promise<Result<SessionDescription, UseFault>> {
    if (!this.#store.opened) return err("unknown_session");
    return this.#group.run(() => {
      const used = this.#oneTime.consume(proof, this.#now());
      if (!used.ok) return used;
      if (this.#store.isTokenRevoked(token.jti)) return err("token_revoked" as const);
      return ok(this.#describe());
    });
  }

  /** The agent is done: it shows its session token. */
  async finish(agent: string, proof: OneTime): Promise<Result<SessionDescription, UseFault>> {
    if (!this.#store.opened) return err("unknown_session");
    const result = this.#storage.transactionSync((): Result<void, UseFault> => {
      const now = this.#now();
      const used = this.#oneTime.consume(proof, now);
      if (!used.ok) return used;
      const finished = finish(this.#store.state(), agent, now);
      if (!finished.ok) return err("ended");
      this.#end(finished.value);
      return ok(undefined);
    });
    return result.ok ? this.#closeBooks() : result;
  }

  /** The agent takes back a request that nobody has decided yet. */
  async withdraw(agent: string): Promise<Result<SessionDescription, "unknown_session" | "not_pending">> {
    if (!this.#store.opened) return err("unknown_session");
    const result = this.#storage.transactionSync((): Result<void, "unknown_session" | "not_pending"> => {
      const state = asOf(this.#store.state(), this.#now());
      if (state.request.client_id !== agent) return err("unknown_session");
      const withdrawn = state.status === "pending" ? finish(state, agent, this.#now()) : err("not_pending" as const);
      if (!withdrawn.ok) return err("not_pending");
      this.#end(withdrawn.value);
      return ok(undefined);
    });
    return result.ok ? this.#closeBooks() : result;
  }

  /** Takes back what was lent while the agent waits, so that its answer can hold the receipt. */
  async #closeBooks(): Promise<Result<SessionDescription, never>> {
    await Promise.race([this.#runDueJobs(), new Promise((resolve) => setTimeout(resolve, CLOSING_WAIT_MS))]);
    await this.#arm();
    return ok(this.#describe());
  }

  /** Takes the session away. When this returns, nothing that starts later succeeds. */
  async revoke(by: EndedBy, reason?: string): Promise<"revoked" | "already_ended" | "unknown_session"> {
    if (!this.#store.opened) return "unknown_session";
    const result = this.#storage.transactionSync(() => {
      const revoked = revoke(this.#store.state(), by, reason, this.#now());
      if (revoked.ok) this.#end(revoked.value);
      return revoked.ok ? ("revoked" as const) : ("already_ended" as const);
    });
    await this.#arm();
    return result;
  }

  /** Takes one access token away (RFC 7009); the session goes on. */
  async revokeToken(jti: string): Promise<void> {
    if (!this.#store.opened) return;
    this.#storage.transactionSync(() => {
      if (this.#store.revokeToken(jti)) this.#record("token.revoked", { jti });
    });
    await this.#arm();
  }

  /** For the operator. */
  inspect(): SessionDescription | undefined {
    return this.#store.opened ? this.#describe() : undefined;
  }

  override async alarm(): Promise<void> {
    if (!this.#store.opened) return;
    this.#alarmAt = undefined;
    // Armed first, so that even a handler that dies runs again.
    await this.#storage.setAlarm(Date.now() + ALARM_RETRY_MS);
    this.#storage.transactionSync(() => this.#tidy());
    await this.#runDueJobs();
    await this.#feed().send(this.#store.setting().issuer);
    if (!(await this.#retire())) await this.#arm(true);
  }

  /** Writes down what time has decided already. */
  #tidy(): void {
    const now = this.#now();
    const stored = this.#store.state();
    const current = asOf(stored, now);
    if (current.status === "ended" && stored.status !== "ended") this.#end(current);
    for (const leaseId of this.#leaseStore.lost(now)) {
      this.#leaseStore.close(leaseId, { fate: "unknown" });
      this.#record("lease.closed", { lease_id: leaseId, fate: "unknown" });
    }
    this.#queueReceipt();
  }

  /** Does what is due, and what that makes due in turn: a receipt follows the last revocation. */
  async #runDueJobs(): Promise<void> {
    for (let round = 0; round < MAX_JOB_ROUNDS; round += 1) {
      const jobs = this.#outbox.due(Date.now(), MAX_PARALLEL_JOBS);
      if (jobs.length === 0) return;
      await Promise.all(jobs.map((job) => this.#runJob(job)));
    }
  }

  async #runJob(job: OutboxJob): Promise<void> {
    const outcome = await runSessionJob(job, {
      env: this.env,
      store: this.#store,
      leases: this.#leases,
      leaseStore: this.#leaseStore,
      describe: () => this.#describe(),
      auditHead: () => this.#journal().head(),
      record: (type, data) => this.#record(type, data),
      now: () => this.#now(),
    });
    this.#storage.transactionSync(() => {
      this.#outbox.settle(job, outcome, Date.now());
      this.#queueReceipt();
    });
  }

  /** A receipt is due once the session has ended and every lease has found its fate. */
  #queueReceipt(): void {
    const due =
      this.#store.state().status === "ended" && this.#store.receipt() === undefined && this.#leaseStore.allClosed();
    if (due) this.#queue("receipt", "receipt", {});
  }

  /** Shrinks an ended session once everything has left it, and deletes it after the retention time. */
  async #retire(): Promise<boolean> {
    const state = this.#store.state();
    if (state.status !== "ended" || this.#outbox.nextAt() !== undefined || this.#journal().unsent(1).length > 0)
      return false;
    const deleteAt = (state.ended_at + RETENTION_SECONDS) * 1000;
    if (Date.now() >= deleteAt) {
      await this.env.TENANT.getByName(objectName(this.#store.setting().issuer)).forgetSession(state.request.session_id);
      await this.#storage.deleteAll();
      this.ctx.abort("retired");
      return true;
    }
    if (!this.#store.isShrunk()) this.#storage.transactionSync(() => this.#store.shrink());
    return false;
  }

  /** Ends the session: what was lent is taken back, whoever waits is told, a receipt is due. */
  #end(state: EndedSession): void {
    this.#store.write(state);
    this.#record("session.ended", {
      how: state.how,
      by:
        state.ended_by === undefined
          ? undefined
          : state.ended_by.kind === "operator"
            ? "operator"
            : `${state.ended_by.kind}:${state.ended_by.id}`,
      reason: state.reason,
    });
    for (const lease of this.#leaseStore.held())
      this.#queue(`revoke:${lease.lease_id}`, "revoke_lease", { lease_id: lease.lease_id });
    this.#queue("index:ended", "index", {});
    this.#queue("settle", "settle", {});
    this.#queueReceipt();
  }

  /** The checks that every use of a token shares: live, not revoked, and its proof not seen before. */
  #use(
    command: { token: PresentedToken; proof: OneTime; standing: Standing },
    now: number,
  ): Result<ActiveSession, UseFault> {
    const live = this.#live(command.token, command.standing, now);
    if (!live.ok) {
      this.#journal().refuse({ reason: live.error, jti: command.token.jti }, now);
      return live;
    }
    const used = this.#oneTime.consume(command.proof, now);
    if (!used.ok) {
      this.#journal().refuse({ reason: `proof_${used.error}`, jti: command.token.jti }, now);
      return used;
    }
    return live;
  }

  #live(token: PresentedToken, standing: Standing, now: number): Result<ActiveSession, LiveFault> {
    const state = asOf(this.#store.state(), now);
    if (state.status !== "active" || this.#isKilled(state, standing)) return err("ended");
    if (state.redeemed_at === undefined) return err("not_redeemed");
    if (this.#store.isTokenRevoked(token.jti)) return err("token_revoked");
    return ok(state);
  }

  #activeState(now: number): ActiveSession | undefined {
    const state = asOf(this.#store.state(), now);
    return state.status === "active" ? state : undefined;
  }

  #isKilled(state: SessionState, standing: Standing): boolean {
    return standing.killedUntil !== undefined && state.request.requested_at <= standing.killedUntil;
  }

  /** CIBA Core §11: too early a poll is told to slow down, and the interval grows. */
  #mayPoll(): boolean {
    const nowMs = Date.now();
    const last = this.#store.poll();
    const interval = last?.interval_seconds ?? POLL_INTERVAL_SECONDS;
    const early = last !== undefined && nowMs < last.last_at + interval * 1000 - POLL_GRACE_MS && nowMs >= last.last_at;
    this.#store.recordPoll({ last_at: nowMs, interval_seconds: early ? interval + SLOW_DOWN_SECONDS : interval });
    return !early;
  }

  #refuseDecision(decider: Decider, fault: DecideFault): void {
    // A second look at a decided request is what people do; it is not an event.
    if (fault.reason === "already_decided" || fault.reason === "request_expired") return;
    this.#journal().refuse({ reason: fault.reason, person: decider.person }, this.#now());
  }

  #describe(): SessionDescription {
    const journal = this.#journal();
    return {
      state: asOf(this.#store.state(), this.#now()),
      setting: this.#store.setting(),
      leases: this.#leaseStore.statements(),
      usage: {
        tokens_minted: journal.count("token.minted"),
        calls: journal.count("call.authorized"),
        refusals: journal.refusals(),
      },
      receipt: this.#store.receipt(),
    };
  }

  #journal(): Journal {
    return new Journal(this.#storage.sql, this.#store.state().request.session_id);
  }

  #feed(): LedgerFeed {
    return new LedgerFeed(this.env, this.#store.state().request.session_id, this.#journal());
  }

  #record(type: string, data: EventData): void {
    this.#journal().append(type, data, this.#now());
  }

  #queue(id: string, kind: string, payload: object): void {
    this.#outbox.put(id, kind, payload, Date.now());
  }

  /**
   * Sets the alarm for whatever comes next. What it tidies is decided at read time anyway, so an
   * alarm that is already early enough is left alone.
   */
  async #arm(anew = false): Promise<void> {
    if (!this.#store.opened) return;
    const state = this.#store.state();
    const feedDelay = this.#feed().delayMs();
    const candidates = [
      this.#outbox.nextAt(),
      feedDelay === undefined ? undefined : Date.now() + feedDelay,
      toMs(nextDeadline(state)),
      toMs(this.#leaseStore.nextLostAt()),
      state.status === "ended" ? toMs(state.ended_at + RETENTION_SECONDS) : undefined,
    ].filter((at) => at !== undefined);
    if (candidates.length === 0) return;
    const at = Math.min(...candidates);
    this.#alarmAt ??= anew ? undefined : ((await this.#storage.getAlarm()) ?? undefined);
    if (!anew && this.#alarmAt !== undefined && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    await this.#storage.setAlarm(at);
  }

  /** Epoch seconds that never run backwards: a session that has ended stays ended when a clock is set back. */
  #now(): number {
    const wall = Math.floor(Date.now() / 1000);
    return this.#store.opened ? Math.max(wall, this.#highestTime()) : wall;
  }

  #highestTime(): number {
    return (
      this.#storage.sql.exec<{ at: number | null }>("SELECT at FROM event ORDER BY seq DESC LIMIT 1").toArray()[0]
        ?.at ?? 0
    );
  }
}

function identityOf({ session_id, sub, client_id }: Grant): { session_id: string; sub: string; client_id: string } {
  return { session_id, sub, client_id };
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

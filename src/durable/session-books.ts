import { Buffer } from "node:buffer";
import { digestOf } from "../crypto/hash.ts";
import { cutOffKey, leftUntil } from "../domain/cut-off.ts";
import { approversOf } from "../domain/policy.ts";
import type { ReceiptClaims } from "../domain/receipt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { allApprovals } from "../domain/step-up.ts";
import { asOf, type ActiveSession, type EndedSession, type SessionState } from "../domain/session.ts";
import { Bell } from "./bell.ts";
import { Journal, type EventData, type JournalHead } from "./journal.ts";
import { LeaseStore } from "./lease-store.ts";
import { OneTimeStore } from "./one-time.ts";
import { Outbox } from "./outbox.ts";
import type {
  LiveFault,
  PresentedToken,
  SessionDescription,
  Standing,
  UseCommand,
  UseFault,
} from "./session-commands.ts";
import { SessionStore, type PostedMessage } from "./session-store.ts";
import type { SessionWork } from "./session-work.ts";
import { UsageStore } from "./usage-store.ts";

/**
 * Everything a session has written down, and the few entries that always go together. All of it is
 * synchronous, so that a caller can put it into one transaction.
 */
export class SessionBooks {
  readonly #storage: DurableObjectStorage;
  readonly store: SessionStore;
  readonly oneTime: OneTimeStore;
  readonly outbox: Outbox;
  readonly leases: LeaseStore;
  readonly usage: UsageStore;
  /** Rung when the session or one of its tokens is taken away. */
  readonly takenAway = new Bell();
  /** Rung when the request waits no longer. */
  readonly decided = new Bell();
  #journal: Journal | undefined;
  /** Of the journal, into which nobody but {@link record} and {@link refuse} writes. */
  #head: JournalHead | undefined;

  constructor(storage: DurableObjectStorage) {
    const { sql } = storage;
    this.#storage = storage;
    this.store = new SessionStore(sql);
    this.oneTime = new OneTimeStore(sql);
    this.outbox = new Outbox(sql);
    this.leases = new LeaseStore(sql);
    this.usage = new UsageStore(sql);
  }

  /** One transaction. What throws is undone, in storage and in what is remembered of it. */
  transaction<T>(work: () => T): T {
    try {
      return this.#storage.transactionSync(work);
    } catch (fault) {
      this.forget();
      throw fault;
    }
  }

  /** Looks into storage again: it is no longer what was written last. */
  forget(): void {
    this.store.forget();
    this.usage.forget();
    this.#head = undefined;
  }

  journal(): Journal {
    // Of a session that never changes: to read its id again at every event would cost a query each.
    return (this.#journal ??= new Journal(this.#storage.sql, this.store.state().request.session_id));
  }

  /** Epoch seconds that never run backwards: what has ended stays ended when a clock is set back. */
  now(): number {
    const wall = Math.floor(Date.now() / 1000);
    return this.store.opened ? Math.max(wall, this.#headOfJournal().at) : wall;
  }

  /** The state as it truly is now. */
  current(): SessionState {
    return asOf(this.store.state(), this.now());
  }

  record(type: string, data: EventData): void {
    this.#head = this.journal().append(type, data, this.now(), this.#headOfJournal());
  }

  refuse(data: EventData & { readonly reason: string }): void {
    this.#head = this.journal().refuse(data, this.now(), this.#headOfJournal());
  }

  /** @param afterSeconds how long the job waits before it is due */
  queue(id: string, work: SessionWork, afterSeconds = 0): void {
    const { kind, ...payload } = work;
    this.outbox.put(id, kind, payload, Date.now() + afterSeconds * 1000);
  }

  /** Messages about the session shall say how it stands. */
  queueMessageUpdates(): void {
    for (const message of this.store.posted()) this.queueMessageUpdate(message);
  }

  queueMessageUpdate(message: PostedMessage): void {
    this.queue(`outcome:${message.reference}`, { kind: "outcome", ...message });
  }

  /** The request waits no longer: messages about it say how it came out, and whoever it concerns is told. */
  queueOutcome(): void {
    this.queueMessageUpdates();
    for (const person of approversOf(this.store.state().plan))
      this.queue(`release:${person}`, { kind: "release", person });
    this.queue("tell", { kind: "tell" });
    this.decided.ring();
  }

  /** Ends the session: what was lent is to be taken back, whoever waits is to be told, a receipt is due. */
  end(state: EndedSession): void {
    this.store.write(state);
    // A session that was at work was told of when it was approved.
    if (state.grant === undefined) this.queueOutcome();
    else this.queueMessageUpdates();
    this.record("session.ended", { how: state.how, by: whoEnded(state), reason: state.reason });
    const { client_id, task } = state.request;
    const { owner } = this.store.setting();
    this.usage.writeFreed();
    // One row for each upstream, with all that an account of it is drawn up by.
    for (const usage of this.usage.statements())
      this.record("session.usage", { ...usage, client_id, owner, task_digest: digestOf(task) });
    for (const { lease_id } of this.leases.held()) this.queueRevocation(lease_id);
    if (state.request.extends !== undefined || state.waiting_step_up !== undefined)
      this.queue("step_up:ended", { kind: "step_up" });
    this.queue("index:ended", { kind: "index" });
    this.queue("settle", { kind: "settle" });
    this.queueReceipt();
    this.takenAway.ring();
  }

  queueRevocation(leaseId: string): void {
    this.queue(`revoke:${leaseId}`, { kind: "revoke_lease", lease_id: leaseId });
  }

  /** A receipt is due once the session has ended and every lease has found its fate. */
  queueReceipt(): void {
    const due = this.store.state().status === "ended" && this.store.receipt() === undefined && this.leases.allClosed();
    if (due) this.queue("receipt", { kind: "receipt" });
  }

  /** The checks that every use of a token shares: the session lives, and the proof was not seen before. */
  use({ token, proof, standing }: UseCommand): Result<ActiveSession, UseFault> {
    const live = this.live(token, standing);
    if (!live.ok) {
      this.refuse({ reason: live.error, jti: token.jti });
      return live;
    }
    const used = this.oneTime.consume(proof, this.now());
    if (!used.ok) {
      this.refuse({ reason: `proof_${used.error}`, jti: token.jti });
      return used;
    }
    return live;
  }

  live(token: PresentedToken, standing: Standing): Result<ActiveSession, LiveFault> {
    const { state: stored, hasRevoked } = this.store.read();
    const state = asOf(stored, this.now());
    if (state.status !== "active" || isKilled(state, standing)) return err("ended");
    if (state.first_token === undefined) return err("not_redeemed");
    if (this.store.isTokenRevoked(token.jti, hasRevoked)) return err("token_revoked");
    return ok(state);
  }

  #headOfJournal(): JournalHead {
    return (this.#head ??= this.journal().head());
  }

  /** How the session stands, without the account that {@link describe} draws up from every event. */
  outline(): Pick<SessionDescription, "state" | "setting"> {
    return { state: this.current(), setting: this.store.setting() };
  }

  /** All that is known. Of a session that shrank, the events and leases are gone, and the receipt says what they came to. */
  describe(): SessionDescription {
    const journal = this.journal();
    const upstreams = this.usage.statements();
    const receipt = this.store.receipt();
    const closing = receipt !== undefined && this.store.isShrunk() ? statedIn(receipt) : undefined;
    return {
      ...this.outline(),
      leases: closing?.leases ?? this.leases.statements(),
      usage: {
        tokens_minted: closing?.usage.tokens_minted ?? journal.count("token.minted"),
        calls: upstreams.reduce((so, { calls }) => so + calls, 0),
        refusals: journal.refusals(),
        upstreams,
      },
      receipt,
    };
  }
}

/** The claims of a receipt of our own. */
function statedIn(receipt: string): Pick<ReceiptClaims, "leases" | "usage"> {
  const [, claims = ""] = receipt.split(".");
  return JSON.parse(Buffer.from(claims, "base64url").toString()) as ReceiptClaims;
}

/** Whether the agent was cut off after it asked for this session, or somebody who approved it after they did, or whom it works for has left. */
export function isKilled(state: SessionState, { killedUntil, cutOffs = {} }: Standing): boolean {
  if (killedUntil !== undefined && state.request.requested_at <= killedUntil) return true;
  const { user, requested_at } = state.request;
  if (user !== undefined && requested_at <= leftUntil(cutOffs, user)) return true;
  if (state.status === "pending" || state.decision === undefined) return false;
  return allApprovals(state).some(
    ({ person, decided_at }) => decided_at <= (cutOffs[cutOffKey({ kind: "approver", id: person })] ?? 0),
  );
}

function whoEnded({ ended_by }: EndedSession): string | undefined {
  if (ended_by === undefined) return undefined;
  return ended_by.kind === "operator" ? "operator" : `${ended_by.kind}:${ended_by.id}`;
}

import { DurableObject } from "cloudflare:workers";
import type { History } from "../domain/facts.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { Journal } from "./journal.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { OneTimeStore, type OneTime, type OneTimeFault } from "./one-time.ts";

/** Requests of one agent that may wait for a human at once. */
const MAX_PENDING = 5;
/** Requests of one agent in a minute. */
const MAX_ASKS_PER_MINUTE = 10;
const MINUTE_SECONDS = 60;
/** Denials within {@link DENIAL_WINDOW_SECONDS} after which an agent is suspended; whoever they came from. */
const MAX_DENIALS = 3;
const DENIAL_WINDOW_SECONDS = 3600;
const SUSPENSION_SECONDS = 3600;
const WEEK_SECONDS = 7 * 24 * 3600;
/** How long it is remembered what a client was granted. */
const MEMORY_SECONDS = 30 * 24 * 3600;
/** A repeated request has its history already. */
const NO_HISTORY: History = { approved: 0, denied: 0 };
/** Pushed requests of one client that wait for a browser at once. */
const MAX_PUSHED = 200;
/** How long a repeated Idempotency-Key finds its first answer. */
const IDEMPOTENCY_SECONDS = 24 * 3600;

/** Which tenant's client an object is; the object keeps it from its first call. */
export interface AgentIdentity {
  readonly issuer: string;
  readonly client_id: string;
}

export interface AdmitCommand {
  readonly identity: AgentIdentity;
  /** The assertion and the proof that came with the request. */
  readonly oneTime: readonly OneTime[];
  readonly idempotencyKey?: string | undefined;
  /**
   * Whose requests are counted together, beside the client's own: the person, where a browser asks
   * before anybody has signed in. A stranger can then fill nobody's places but those they name.
   */
  readonly lane?: string | undefined;
  /** Digest of what is asked for, by which key. */
  readonly contentDigest: string;
  /** The id to use if this is a new request. */
  readonly sessionId: string;
  /** All that was asked for until then (epoch seconds) was cut off; 0 for nothing. */
  readonly deadUntil: number;
}

/** The session that the request belongs to: a new one, or the one it repeats. */
export interface Admission {
  readonly session_id: string;
  /** Epoch seconds. */
  readonly requested_at: number;
  readonly repeated: boolean;
  /** What was decided for this client before. */
  readonly history: History;
}

export type AdmitFault =
  | { readonly reason: OneTimeFault }
  | { readonly reason: "idempotency_conflict" }
  | { readonly reason: "too_many_pending"; readonly retryAfter: number }
  | { readonly reason: "too_often"; readonly retryAfter: number }
  | { readonly reason: "suspended"; readonly retryAfter: number }
  | { readonly reason: "just_cut_off"; readonly retryAfter: number };

/** A pushed authorization request. */
export interface PushedRequest {
  readonly id: string;
  /** Its parameters as JSON. */
  readonly parameters: string;
  /** Epoch seconds. */
  readonly until: number;
}

/** How a request that was waiting came to its end. */
export interface Settlement {
  readonly session_id: string;
  /** Whether a human decided it, and how. */
  readonly verdict?: "approved" | "denied" | undefined;
  /** What was granted. */
  readonly units: readonly string[];
}

/** One per tenant and client: its pending requests, caps and suspension, and the assertions it has used. */
export class Agent extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #oneTime = new OneTimeStore(this.#sql);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL, client_id TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS ask (
        session_id TEXT PRIMARY KEY, lane TEXT NOT NULL, content_digest TEXT NOT NULL, idempotency_key TEXT UNIQUE,
        requested_at INTEGER NOT NULL, pending INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS ask_by_content ON ask (content_digest, pending);
      CREATE TABLE IF NOT EXISTS past (session_id TEXT PRIMARY KEY, lane TEXT NOT NULL, at INTEGER NOT NULL, units TEXT);
      CREATE TABLE IF NOT EXISTS pushed (id TEXT PRIMARY KEY, parameters TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS denial (session_id TEXT PRIMARY KEY, at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS suspended (lane TEXT PRIMARY KEY, until INTEGER NOT NULL)`);
    OneTimeStore.createTables(this.#sql);
    Journal.createTables(this.#sql);
  }

  /**
   * Lets a request in, or says why not: uses up its assertion and proof, finds the request it
   * repeats (by Idempotency-Key, or an open one that asks the same), and holds the caps.
   */
  async admit(command: AdmitCommand): Promise<Result<Admission, AdmitFault>> {
    const result = this.ctx.storage.transactionSync(() => {
      this.#identify(command.identity);
      const now = this.#now();
      const used = this.#consumeAll(command.oneTime, now);
      if (!used.ok) return err({ reason: used.error });
      const admitted = this.#place(command, now);
      if (!admitted.ok) this.#journal().refuse({ reason: admitted.error.reason }, now);
      return admitted;
    });
    await this.#scheduleFeed();
    return result;
  }

  /**
   * Keeps a pushed authorization request (RFC 9126) until the browser brings its id. Reading it
   * changes nothing; beginning with it uses it up, as a one-time thing of {@link admit}.
   */
  push(identity: AgentIdentity, oneTime: readonly OneTime[], pushed: PushedRequest): Result<void, OneTimeFault> {
    return this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      const used = this.#consumeAll(oneTime, now);
      if (!used.ok) return used;
      this.#sql.exec("DELETE FROM pushed WHERE until <= ?", now);
      const { n } = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM pushed").one();
      if (n >= MAX_PUSHED) return err("overloaded");
      this.#sql.exec(
        "INSERT INTO pushed (id, parameters, until) VALUES (?, ?, ?)",
        pushed.id,
        pushed.parameters,
        pushed.until,
      );
      return ok(undefined);
    });
  }

  /** A pushed request that is still good and was not begun with. */
  pushed(id: string): PushedRequest | undefined {
    const [row] = this.#sql
      .exec<{ id: string; parameters: string; until: number }>(
        "SELECT id, parameters, until FROM pushed WHERE id = ? AND until > ?",
        id,
        this.#now(),
      )
      .toArray();
    return row === undefined || this.#oneTime.isUsed(`pushed:${id}`) ? undefined : row;
  }

  /** Uses up the assertion (and proof) of a call that asks for no session. */
  consume(identity: AgentIdentity, oneTime: readonly OneTime[]): Result<void, OneTimeFault> {
    return this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      return this.#consumeAll(oneTime, this.#now());
    });
  }

  /** Whether a session was asked for by this client, so that a guessed id wakes no object: each that is woken keeps a file. */
  hasAsked(sessionId: string): boolean {
    const found = this.#sql.exec(
      "SELECT 1 FROM ask WHERE session_id = ? UNION ALL SELECT 1 FROM past WHERE session_id = ?",
      sessionId,
      sessionId,
    );
    return found.toArray().length > 0;
  }

  /** Records that this client tried what it never may, where no session is there to record it. */
  async refuse(identity: AgentIdentity, reason: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      this.#journal().refuse({ reason }, this.#now());
    });
    await this.#scheduleFeed();
  }

  /** Frees the place of a request that no longer waits. Repeating it changes nothing. */
  async settle({ session_id, verdict, units }: Settlement): Promise<void> {
    const suspends = this.ctx.storage.transactionSync(() => {
      this.#sql.exec("UPDATE ask SET pending = 0 WHERE session_id = ?", session_id);
      if (verdict !== undefined)
        this.#sql.exec(
          `INSERT INTO past (session_id, lane, at, units) SELECT session_id, lane, ?, ? FROM ask WHERE session_id = ?
           ON CONFLICT DO NOTHING`,
          this.#now(),
          verdict === "approved" ? JSON.stringify(units) : null,
          session_id,
        );
      return verdict === "denied" && this.#countDenial(session_id, this.#now());
    });
    if (suspends) await this.#scheduleFeed();
  }

  /** Lets a suspended client ask again, and forgets its denials; answers whether it was suspended. */
  async lift(identity: AgentIdentity): Promise<boolean> {
    const lifted = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      this.#sql.exec("DELETE FROM denial");
      const ended = this.#sql.exec<{ until: number }>("DELETE FROM suspended RETURNING until").toArray();
      if (!ended.some(({ until }) => until > now)) return false;
      this.#journal().append("agent.reinstated", {}, now);
      return true;
    });
    await this.#scheduleFeed();
    return lifted;
  }

  override async alarm(): Promise<void> {
    const { issuer, client_id } = this.#identity();
    await new LedgerFeed(this.env, journalSource(client_id), this.#journal()).send(issuer);
    await this.#scheduleFeed();
  }

  #place(command: AdmitCommand, now: number): Result<Admission, AdmitFault> {
    this.#forgetOld(now);
    // What was cut off waits no longer, whether its session has said so yet or not.
    this.#sql.exec("UPDATE ask SET pending = 0 WHERE pending = 1 AND requested_at <= ?", command.deadUntil);
    const repeated = this.#repeated(command);
    if (!repeated.ok || repeated.value !== undefined) return repeated as Result<Admission, AdmitFault>;
    // In the very second of a cut-off a request would be born dead, and nobody be told.
    if (now <= command.deadUntil) return err({ reason: "just_cut_off", retryAfter: command.deadUntil - now + 1 });
    const fault = this.#exceeded(command.lane ?? "", now);
    if (fault !== undefined) return err(fault);
    this.#sql.exec(
      "INSERT INTO ask (session_id, lane, content_digest, idempotency_key, requested_at, pending) VALUES (?, ?, ?, ?, ?, 1)",
      command.sessionId,
      command.lane ?? "",
      command.contentDigest,
      command.idempotencyKey ?? null,
      now,
    );
    const history = this.#history(command.lane ?? "", now);
    return ok({ session_id: command.sessionId, requested_at: now, repeated: false, history });
  }

  #repeated(command: AdmitCommand): Result<Admission | undefined, AdmitFault> {
    type Row = { session_id: string; content_digest: string; requested_at: number };
    const byKey =
      command.idempotencyKey === undefined
        ? undefined
        : this.#sql
            .exec<Row>(
              "SELECT session_id, content_digest, requested_at FROM ask WHERE idempotency_key = ?",
              command.idempotencyKey,
            )
            .toArray()[0];
    if (byKey !== undefined && byKey.content_digest !== command.contentDigest)
      return err({ reason: "idempotency_conflict" });
    const row =
      byKey ??
      this.#sql
        .exec<Row>(
          "SELECT session_id, content_digest, requested_at FROM ask WHERE content_digest = ? AND pending = 1",
          command.contentDigest,
        )
        .toArray()[0];
    return ok(
      row === undefined
        ? undefined
        : { session_id: row.session_id, requested_at: row.requested_at, repeated: true, history: NO_HISTORY },
    );
  }

  #history(lane: string, now: number): History {
    const rows = this.#sql
      .exec<{ at: number; units: string | null }>(
        "SELECT at, units FROM past WHERE lane = ? ORDER BY at DESC, session_id",
        lane,
      )
      .toArray();
    const recent = rows.filter(({ at }) => at > now - WEEK_SECONDS);
    const last = rows.find(({ units }) => units !== null);
    return {
      approved: recent.filter(({ units }) => units !== null).length,
      denied: recent.filter(({ units }) => units === null).length,
      ...(last === undefined ? {} : { last: { at: last.at, units: JSON.parse(last.units ?? "[]") as string[] } }),
    };
  }

  /** The denial that is one too many suspends from its own moment on, however old the first of them is. */
  #countDenial(sessionId: string, now: number): boolean {
    const counted = this.#sql
      .exec("INSERT INTO denial (session_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", sessionId, now)
      .toArray();
    const [ask] = this.#sql.exec<{ lane: string }>("SELECT lane FROM ask WHERE session_id = ?", sessionId).toArray();
    if (counted.length === 0 || ask === undefined) return false;
    const { n } = this.#sql
      .exec<{ n: number }>(
        "SELECT count(*) AS n FROM denial JOIN ask USING (session_id) WHERE lane = ? AND at > ?",
        ask.lane,
        now - DENIAL_WINDOW_SECONDS,
      )
      .one();
    if (n < MAX_DENIALS) return false;
    const until = now + SUSPENSION_SECONDS;
    this.#sql.exec(
      "INSERT INTO suspended (lane, until) VALUES (?, ?) ON CONFLICT (lane) DO UPDATE SET until = excluded.until",
      ask.lane,
      until,
    );
    this.#journal().append("agent.suspended", { until, ...(ask.lane === "" ? {} : { person: ask.lane }) }, now);
    return true;
  }

  #exceeded(lane: string, now: number): AdmitFault | undefined {
    const [suspended] = this.#sql
      .exec<{ until: number }>("SELECT until FROM suspended WHERE lane = ? AND until > ?", lane, now)
      .toArray();
    if (suspended !== undefined) return { reason: "suspended", retryAfter: suspended.until - now };
    const recent = this.#sql
      .exec<{ n: number; first: number | null }>(
        "SELECT count(*) AS n, min(requested_at) AS first FROM ask WHERE lane = ? AND requested_at > ?",
        lane,
        now - MINUTE_SECONDS,
      )
      .one();
    if (recent.n >= MAX_ASKS_PER_MINUTE)
      return { reason: "too_often", retryAfter: Math.max(1, (recent.first ?? now) + MINUTE_SECONDS - now) };
    const pending = this.#sql
      .exec<{ n: number; first: number | null }>(
        "SELECT count(*) AS n, min(requested_at) AS first FROM ask WHERE lane = ? AND pending = 1",
        lane,
      )
      .one();
    if (pending.n >= MAX_PENDING)
      return {
        reason: "too_many_pending",
        retryAfter: Math.max(1, (pending.first ?? now) + REQUEST_LIFETIME_SECONDS - now),
      };
    return undefined;
  }

  /** What time alone settles: requests that nobody decided, keys and denials that are old. */
  #forgetOld(now: number): void {
    this.#sql.exec(
      "UPDATE ask SET pending = 0 WHERE pending = 1 AND requested_at <= ?",
      now - REQUEST_LIFETIME_SECONDS,
    );
    this.#sql.exec("DELETE FROM ask WHERE requested_at <= ?", now - IDEMPOTENCY_SECONDS);
    this.#sql.exec("DELETE FROM denial WHERE at <= ?", now - DENIAL_WINDOW_SECONDS);
    this.#sql.exec("DELETE FROM suspended WHERE until <= ?", now);
    this.#sql.exec("DELETE FROM past WHERE at <= ?", now - MEMORY_SECONDS);
  }

  #consumeAll(things: readonly OneTime[], now: number): Result<void, OneTimeFault> {
    for (const thing of things) {
      const used = this.#oneTime.consume(thing, now);
      if (!used.ok) return used;
    }
    return ok(undefined);
  }

  #identify({ issuer, client_id }: AgentIdentity): void {
    this.#sql.exec(
      "INSERT INTO identity (id, issuer, client_id) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
      issuer,
      client_id,
    );
  }

  #identity(): AgentIdentity {
    return this.#sql.exec<{ issuer: string; client_id: string }>("SELECT issuer, client_id FROM identity").one();
  }

  #journal(): Journal {
    return new Journal(this.#sql, journalSource(this.#identity().client_id));
  }

  async #scheduleFeed(): Promise<void> {
    const { client_id } = this.#identity();
    const delay = new LedgerFeed(this.env, journalSource(client_id), this.#journal()).delayMs();
    if (delay !== undefined && (await this.ctx.storage.getAlarm()) === null)
      await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  /** Time that never runs backwards, so that what was forgotten as old stays refused. */
  #now(): number {
    const highest = this.#sql.exec<{ at: number | null }>("SELECT max(requested_at) AS at FROM ask").one().at ?? 0;
    return Math.max(Math.floor(Date.now() / 1000), highest);
  }
}

function journalSource(clientId: string): string {
  return `agent:${clientId}`;
}

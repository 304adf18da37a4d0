import { DurableObject } from "cloudflare:workers";
import { err, ok, type Result } from "../domain/result.ts";
import { Admissions } from "./admissions.ts";
import type {
  Admission,
  AdmitCommand,
  AdmitFault,
  AgentIdentity,
  PushedRequest,
  Settlement,
} from "./agent-commands.ts";
import { AskStore } from "./ask-store.ts";
import { Journal } from "./journal.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { OneTimeStore, type OneTime, type OneTimeFault } from "./one-time.ts";
import { PushedStore } from "./pushed-store.ts";
import { VerdictStore } from "./verdict-store.ts";

/** One per tenant and client: its pending requests, caps and suspension, and the assertions it has used. */
export class Agent extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #oneTime = new OneTimeStore(this.#sql);
  readonly #asks = new AskStore(this.#sql);
  readonly #verdicts = new VerdictStore(this.#sql);
  readonly #pushed = new PushedStore(this.#sql);
  readonly #admissions = new Admissions(this.#asks, this.#verdicts);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL, client_id TEXT NOT NULL)",
    );
    AskStore.createTables(this.#sql);
    VerdictStore.createTables(this.#sql);
    PushedStore.createTables(this.#sql);
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
      const admitted = this.#admissions.place(command, now);
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
      return used.ok ? this.#pushed.add(pushed, now) : used;
    });
  }

  /** A pushed request that is still good and was not begun with. */
  pushed(id: string): PushedRequest | undefined {
    return this.#oneTime.isUsed(`pushed:${id}`) ? undefined : this.#pushed.get(id, this.#now());
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
      const now = this.#now();
      this.#asks.close(session_id);
      const lane = this.#asks.laneOf(session_id);
      if (verdict === undefined || lane === undefined) return false;
      this.#verdicts.remember(session_id, lane, verdict === "approved" ? units : undefined, now);
      const until = verdict === "denied" ? this.#verdicts.countDenial(session_id, lane, now) : undefined;
      if (until === undefined) return false;
      this.#journal().append("agent.suspended", { until, ...(lane === "" ? {} : { person: lane }) }, now);
      return true;
    });
    if (suspends) await this.#scheduleFeed();
  }

  /** Lets a suspended client ask again, and forgets its denials; answers whether it was suspended. */
  async lift(identity: AgentIdentity): Promise<boolean> {
    const lifted = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      if (!this.#verdicts.lift(now)) return false;
      this.#journal().append("agent.reinstated", {}, now);
      return true;
    });
    await this.#scheduleFeed();
    return lifted;
  }

  override async alarm(): Promise<void> {
    await this.#feed().send(this.#identity().issuer);
    await this.#scheduleFeed();
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
    return new Journal(this.#sql, this.#source());
  }

  #feed(): LedgerFeed {
    return new LedgerFeed(this.env, this.#source(), this.#journal());
  }

  /** What its rows in the ledger stand under. */
  #source(): string {
    return `agent:${this.#identity().client_id}`;
  }

  async #scheduleFeed(): Promise<void> {
    const delay = this.#feed().delayMs();
    if (delay !== undefined && (await this.ctx.storage.getAlarm()) === null)
      await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  /** Time that never runs backwards, so that what was forgotten as old stays refused. */
  #now(): number {
    return Math.max(Math.floor(Date.now() / 1000), this.#asks.newestAt());
  }
}

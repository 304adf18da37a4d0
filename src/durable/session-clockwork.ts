import { objectName } from "../domain/ids.ts";
import { asOf, nextDeadline, RETENTION_SECONDS } from "../domain/session.ts";
import { LedgerFeed, LINGER_MS } from "./ledger-feed.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import type { OutboxJob } from "./outbox.ts";
import type { SessionBooks } from "./session-books.ts";
import { runSessionJob } from "./session-jobs.ts";

/** Jobs of the outbox tried at once: what one object may have open toward the outside. */
const MAX_PARALLEL_JOBS = 6;
/** Batches of jobs in one go, before the alarm takes over. */
const MAX_JOB_ROUNDS = 5;
/** The refusals that follow an end go before the work that it makes, for which nobody waits, by this much, in milliseconds. */
const YIELD_MS = 50;
/** The platform drops an alarm whose handler keeps failing; this re-arms it long before. */
const ALARM_RETRY_MS = 5000;

/**
 * What a session does by itself: it writes down what time has decided, does the work of its outbox,
 * feeds the ledger, and in the end deletes itself. Nothing depends on it being on time.
 */
export class SessionClockwork {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #books: SessionBooks;
  readonly #returns: LeaseReturns;
  #alarmAt: number | undefined;

  constructor(ctx: DurableObjectState, env: Env, books: SessionBooks, returns: LeaseReturns) {
    this.#ctx = ctx;
    this.#env = env;
    this.#books = books;
    this.#returns = returns;
  }

  /** The alarm's handler. May run early, late, twice or not at all. */
  async tick(): Promise<void> {
    this.#alarmAt = undefined;
    // Armed first, so that even a handler that dies runs again.
    await this.#ctx.storage.setAlarm(Date.now() + ALARM_RETRY_MS);
    this.#books.transaction(() => this.#tidy());
    await this.runDueJobs();
    await this.#feed().send(this.#books.store.setting().issuer);
    if (!(await this.#retire())) await this.#arm(true);
  }

  /** Sets the alarm for whatever comes next, unless one that is early enough is set already. */
  async arm(): Promise<void> {
    await this.#arm(false);
  }

  /** As {@link arm}, where nothing new is due but rows to be written or sent on. Every exchange and call comes by here. */
  async armFeed(): Promise<void> {
    if (this.#alarmAt === undefined || this.#alarmAt > Date.now() + LINGER_MS) await this.#arm(false);
  }

  /** Does what is due, and what that makes due in turn: a receipt follows the last revocation. */
  async runDueJobs(): Promise<void> {
    for (let round = 0; round < MAX_JOB_ROUNDS; round += 1) {
      const jobs = this.#books.outbox.due(Date.now(), MAX_PARALLEL_JOBS);
      if (jobs.length === 0) return;
      await Promise.all(jobs.map((job) => this.#runJob(job)));
    }
  }

  async #runJob(job: OutboxJob): Promise<void> {
    const outcome = await runSessionJob(job, { env: this.#env, books: this.#books, returns: this.#returns });
    this.#books.transaction(() => {
      this.#books.outbox.settle(job, outcome, Date.now());
      this.#books.queueReceipt();
    });
  }

  #tidy(): void {
    const { store, leases } = this.#books;
    const stored = store.state();
    const current = asOf(stored, this.#books.now());
    if (current.status === "ended" && stored.status !== "ended") this.#books.end(current);
    for (const { leaseId, mayLive, fate } of leases.lost(this.#books.now())) {
      if (mayLive) leases.close(leaseId, fate);
      else leases.release(leaseId);
      this.#books.record("lease.closed", { lease_id: leaseId, fate: mayLive ? "unknown" : "never_made" });
    }
    this.#books.usage.writeFreed();
    this.#books.queueReceipt();
  }

  /** Shrinks an ended session once everything has left it, and deletes it after the retention time. */
  async #retire(): Promise<boolean> {
    const { store, outbox } = this.#books;
    const state = store.state();
    const isSettled =
      outbox.nextAt() === undefined && this.#feed().delayMs() === undefined && store.receipt() !== undefined;
    if (state.status !== "ended" || !isSettled) return false;
    if (Date.now() < (state.ended_at + RETENTION_SECONDS) * 1000) {
      if (!store.isShrunk()) this.#books.transaction(() => store.shrink());
      return false;
    }
    await this.#env.TENANT.getByName(objectName(store.setting().issuer)).forgetSession(state.request.session_id);
    await this.#ctx.storage.deleteAlarm();
    const deleted = this.#ctx.storage.deleteAll();
    this.#books.forget();
    await deleted;
    return true;
  }

  async #arm(anew: boolean): Promise<void> {
    const { store, outbox, leases, usage } = this.#books;
    if (!store.opened) return;
    const state = store.state();
    const feedDelay = this.#feed().delayMs();
    const candidates = [
      outbox.nextAt(),
      feedDelay === undefined ? undefined : Date.now() + feedDelay,
      usage.isAhead ? Date.now() + LINGER_MS : undefined,
      toMs(nextDeadline(state)),
      toMs(leases.nextLostAt()),
      state.status === "ended" ? toMs(state.ended_at + RETENTION_SECONDS) : undefined,
    ].filter((at) => at !== undefined);
    if (candidates.length === 0) return;
    const due = Math.min(...candidates);
    const at = state.status === "ended" ? Math.max(due, Date.now() + YIELD_MS) : due;
    this.#alarmAt ??= anew ? undefined : ((await this.#ctx.storage.getAlarm()) ?? undefined);
    if (!anew && this.#alarmAt !== undefined && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    await this.#ctx.storage.setAlarm(at);
  }

  #feed(): LedgerFeed {
    return new LedgerFeed(this.#env, this.#books.store.state().request.session_id, this.#books.journal());
  }
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

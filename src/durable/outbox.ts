/** A piece of work that leaves the object: done at least once, from an alarm, with backoff. */
export interface OutboxJob {
  /** Says what the work is and is unique, so that the same work is never queued twice. */
  readonly id: string;
  readonly kind: string;
  /** JSON. */
  readonly payload: string;
  readonly attempts: number;
}

/** What came of trying a job. */
export type JobOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "retry"; readonly afterSeconds?: number | undefined };

export const DONE: JobOutcome = { kind: "done" };
/** After a while, which is longer each time. */
export const RETRY: JobOutcome = { kind: "retry" };

const FIRST_RETRY_SECONDS = 2;
const LONGEST_RETRY_SECONDS = 15 * 60;

/** The queue of one object, in its own storage, written in the transaction that causes the work. */
export class Outbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS outbox (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL) WITHOUT ROWID`);
  }

  /** @param dueAt epoch milliseconds */
  put(id: string, kind: string, payload: object, dueAt: number): void {
    this.#sql.exec(
      "INSERT INTO outbox (id, kind, payload, attempts, next_at) VALUES (?, ?, ?, 0, ?) ON CONFLICT (id) DO NOTHING",
      id,
      kind,
      JSON.stringify(payload),
      dueAt,
    );
  }

  due(now: number, limit: number): OutboxJob[] {
    return this.#sql
      .exec<{ id: string; kind: string; payload: string; attempts: number }>(
        "SELECT id, kind, payload, attempts FROM outbox WHERE next_at <= ? ORDER BY next_at LIMIT ?",
        now,
        limit,
      )
      .toArray();
  }

  settle(job: OutboxJob, outcome: JobOutcome, now: number): void {
    if (outcome.kind === "done") {
      this.#sql.exec("DELETE FROM outbox WHERE id = ?", job.id);
      return;
    }
    const backoff = Math.min(FIRST_RETRY_SECONDS * 2 ** job.attempts, LONGEST_RETRY_SECONDS);
    const wait = Math.min(Math.max(outcome.afterSeconds ?? 0, backoff), LONGEST_RETRY_SECONDS);
    this.#sql.exec("UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id = ?", now + wait * 1000, job.id);
  }

  /** Makes jobs of a kind due at once that were tried before; those that wait for their time go on waiting. */
  hasten(kind: string, now: number): void {
    this.#sql.exec("UPDATE outbox SET next_at = ?, attempts = 0 WHERE kind = ? AND attempts > 0", now, kind);
  }

  /** When the next job is due, epoch milliseconds. */
  nextAt(): number | undefined {
    const { at } = this.#sql.exec<{ at: number | null }>("SELECT min(next_at) AS at FROM outbox").one();
    return at ?? undefined;
  }
}

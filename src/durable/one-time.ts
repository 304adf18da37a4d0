import { err, ok, type Result } from "../domain/result.ts";

const SWEEP_SECONDS = 30;
/** Rows kept before the object says it is overloaded rather than forget one. */
const MAX_ROWS = 200_000;
/**
 * An object may hold 10 GB and then takes no write at all. Long before, it permits nothing more, so
 * that there is room for what takes away.
 */
const MAX_DATABASE_BYTES = 4 * 1024 ** 3;
/** The row that says until when everything was forgotten: no thing has an empty key. */
const FORGOTTEN = "";

/** A one-time thing as the object that owns it sees it. */
export interface OneTime {
  /** What it is and whose: `dpop:{jkt}:{jti}`, `assertion:{jti}`. */
  readonly key: string;
  /** Epoch seconds until which a second use must be recognised. */
  readonly rememberUntil: number;
}

export type OneTimeFault = "replayed" | "stale" | "overloaded";

/** The used one-time things of an object: consuming is one insert that succeeds or fails. */
export class OneTimeStore {
  readonly #sql: SqlStorage;
  /** Epoch seconds; what must be recognised until then or earlier is forgotten, and no longer fresh. */
  #sweptAt = 0;
  #rows = 0;
  #isFull = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS used (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID`);
  }

  /**
   * Uses something up. Must run inside the transaction of what it permits. A clock that is set back
   * makes nothing fresh again that was forgotten.
   *
   * @param now epoch seconds
   */
  consume(thing: OneTime, now: number): Result<void, OneTimeFault> {
    if (now >= this.#sweptAt + SWEEP_SECONDS) this.#sweep(now);
    if (thing.rememberUntil < Math.max(now, this.#sweptAt)) return err("stale");
    if (this.#isFull || this.#rows >= MAX_ROWS) return err("overloaded");
    const inserted = this.#sql.exec(
      "INSERT INTO used (key, until) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1",
      thing.key,
      thing.rememberUntil,
    );
    if (inserted.toArray().length === 0) return err("replayed");
    this.#rows += 1;
    return ok(undefined);
  }

  /** Whether something was used, without using it. */
  isUsed(key: string): boolean {
    return this.#sql.exec("SELECT 1 FROM used WHERE key = ?", key).toArray().length > 0;
  }

  /** Forgets what can no longer be fresh. By time and not by an index, which would cost every insert. */
  #sweep(now: number): void {
    const { until } = this.#sql
      .exec<{ until: number }>(
        `INSERT INTO used (key, until) VALUES (?, ?)
         ON CONFLICT (key) DO UPDATE SET until = max(until, excluded.until) RETURNING until`,
        FORGOTTEN,
        now,
      )
      .one();
    this.#sql.exec("DELETE FROM used WHERE until < ?", until);
    this.#rows = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM used").one().n;
    this.#isFull = this.#sql.databaseSize > MAX_DATABASE_BYTES;
    this.#sweptAt = until;
  }
}

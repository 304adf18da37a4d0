import { err, ok, type Result } from "../domain/result.ts";

const SWEEP_SECONDS = 30;
/** Rows kept before the object says it is overloaded rather than forget one. */
const MAX_ROWS = 200_000;

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
  #sweptAt = 0;
  #rows = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS used (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID`);
  }

  /**
   * Uses something up. Must run inside the transaction of what it permits.
   *
   * @param now epoch seconds, never earlier than any before: a clock set back must not make a
   *   forgotten proof fresh again
   */
  consume(thing: OneTime, now: number): Result<void, OneTimeFault> {
    if (thing.rememberUntil < now) return err("stale");
    if (now >= this.#sweptAt + SWEEP_SECONDS) this.#sweep(now);
    if (this.#rows >= MAX_ROWS) return err("overloaded");
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
    this.#sql.exec("DELETE FROM used WHERE until < ?", now);
    this.#rows = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM used").one().n;
    this.#sweptAt = now;
  }
}

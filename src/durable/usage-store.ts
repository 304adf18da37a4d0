import { NOTHING_USED, type Usage } from "../domain/limits.ts";
import type { UpstreamUsage } from "../domain/receipt.ts";

/** What the session used of each upstream: one row that only grows, but for bytes that were reserved and not needed. */
export class UsageStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS usage (
        upstream TEXT PRIMARY KEY, calls INTEGER NOT NULL, writes INTEGER NOT NULL, bytes INTEGER NOT NULL, units INTEGER NOT NULL) WITHOUT ROWID`);
  }

  of(upstream: string): Usage {
    const [row] = this.#sql
      .exec<{ calls: number; writes: number; bytes: number; units: number }>(
        "SELECT calls, writes, bytes, units FROM usage WHERE upstream = ?",
        upstream,
      )
      .toArray();
    return row ?? NOTHING_USED;
  }

  write(upstream: string, { calls, writes, bytes, units }: Usage): void {
    this.#sql.exec(
      `INSERT INTO usage (upstream, calls, writes, bytes, units) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (upstream) DO UPDATE SET calls = excluded.calls, writes = excluded.writes, bytes = excluded.bytes, units = excluded.units`,
      upstream,
      calls,
      writes,
      bytes,
      units,
    );
  }

  statements(): UpstreamUsage[] {
    return this.#sql
      .exec<{ upstream: string; calls: number; writes: number; bytes: number; units: number }>(
        "SELECT upstream, calls, writes, bytes, units FROM usage ORDER BY upstream",
      )
      .toArray();
  }
}

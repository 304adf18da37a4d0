import { NOTHING_USED, type Usage } from "../domain/limits.ts";
import type { UpstreamUsage } from "../domain/receipt.ts";

/**
 * What the session used of each upstream: one row that only grows, but for bytes that were reserved and
 * not needed. These may be held in memory until the row is written anyway, for a write of their own
 * would cost as much as a call: an object that dies before has used up what was reserved.
 */
export class UsageStore {
  readonly #sql: SqlStorage;
  /** Bytes of each upstream that are written as used and are free again. */
  readonly #freedBytes = new Map<string, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS usage (
        upstream TEXT PRIMARY KEY, calls INTEGER NOT NULL, writes INTEGER NOT NULL, bytes INTEGER NOT NULL, units INTEGER NOT NULL) WITHOUT ROWID`);
  }

  of(upstream: string): Usage {
    const written = this.#read(upstream);
    return { ...written, bytes: written.bytes - (this.#freedBytes.get(upstream) ?? 0) };
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
    this.#freedBytes.delete(upstream);
  }

  /** Says that so many bytes are free again, which is written later: with the next call, or by {@link writeFreed}. */
  free(upstream: string, bytes: number): void {
    this.#freedBytes.set(upstream, (this.#freedBytes.get(upstream) ?? 0) + bytes);
  }

  /** Whether memory is ahead of storage. */
  get isAhead(): boolean {
    return this.#freedBytes.size > 0;
  }

  writeFreed(): void {
    for (const upstream of this.#freedBytes.keys()) this.write(upstream, this.of(upstream));
  }

  /** A transaction was undone, and with it perhaps the row in which this stood: it counts as used. */
  forget(): void {
    this.#freedBytes.clear();
  }

  statements(): UpstreamUsage[] {
    return this.#sql
      .exec<{ upstream: string; calls: number; writes: number; bytes: number; units: number }>(
        "SELECT upstream, calls, writes, bytes, units FROM usage ORDER BY upstream",
      )
      .toArray()
      .map((row) => ({ ...row, ...this.of(row.upstream) }));
  }

  #read(upstream: string): Usage {
    const [row] = this.#sql
      .exec<{ calls: number; writes: number; bytes: number; units: number }>(
        "SELECT calls, writes, bytes, units FROM usage WHERE upstream = ?",
        upstream,
      )
      .toArray();
    return row ?? NOTHING_USED;
  }
}

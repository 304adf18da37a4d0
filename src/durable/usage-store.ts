import { NOTHING_USED, type Usage } from "../domain/limits.ts";
import type { UpstreamUsage } from "../domain/receipt.ts";

/**
 * What the session used of each upstream: one row that only grows, but for bytes that were reserved and
 * not needed. These may be held in memory until the row is written anyway, for a write of their own
 * would cost as much as a call: an object that dies before has used up what was reserved.
 */
export class UsageStore {
  readonly #sql: SqlStorage;
  readonly #known = new Map<string, Usage>();
  /** Upstreams of which memory is ahead of storage. */
  readonly #held = new Set<string>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS usage (
        upstream TEXT PRIMARY KEY, calls INTEGER NOT NULL, writes INTEGER NOT NULL, bytes INTEGER NOT NULL, units INTEGER NOT NULL) WITHOUT ROWID`);
  }

  of(upstream: string): Usage {
    const known = this.#known.get(upstream) ?? this.#read(upstream);
    this.#known.set(upstream, known);
    return known;
  }

  write(upstream: string, usage: Usage): void {
    const { calls, writes, bytes, units } = usage;
    this.#sql.exec(
      `INSERT INTO usage (upstream, calls, writes, bytes, units) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (upstream) DO UPDATE SET calls = excluded.calls, writes = excluded.writes, bytes = excluded.bytes, units = excluded.units`,
      upstream,
      calls,
      writes,
      bytes,
      units,
    );
    this.#known.set(upstream, usage);
    this.#held.delete(upstream);
  }

  /** Says that less was used than is written, which is written later: with the next call, or by {@link writeHeld}. */
  hold(upstream: string, usage: Usage): void {
    this.#known.set(upstream, usage);
    this.#held.add(upstream);
  }

  get holds(): boolean {
    return this.#held.size > 0;
  }

  writeHeld(): void {
    for (const upstream of this.#held) this.write(upstream, this.of(upstream));
  }

  forget(): void {
    this.#known.clear();
    this.#held.clear();
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

import type { History } from "../domain/facts.ts";

/** Denials within {@link DENIAL_WINDOW_SECONDS} after which an agent is suspended; whoever they came from. */
const MAX_DENIALS = 3;
const DENIAL_WINDOW_SECONDS = 3600;
const SUSPENSION_SECONDS = 3600;
const WEEK_SECONDS = 7 * 24 * 3600;
/** How long it is remembered what a client was granted. */
const MEMORY_SECONDS = 30 * 24 * 3600;

/** The SQL of what humans decided of a client's requests, and of what too many denials lead to. */
export class VerdictStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS past (session_id TEXT PRIMARY KEY, lane TEXT NOT NULL, at INTEGER NOT NULL, units TEXT);
      CREATE TABLE IF NOT EXISTS denial (session_id TEXT PRIMARY KEY, at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS suspended (lane TEXT PRIMARY KEY, until INTEGER NOT NULL)`);
  }

  /** @param units what was granted; undefined where it was denied */
  remember(sessionId: string, lane: string, units: readonly string[] | undefined, now: number): void {
    this.#sql.exec(
      "INSERT INTO past (session_id, lane, at, units) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      sessionId,
      lane,
      now,
      units === undefined ? null : JSON.stringify(units),
    );
  }

  history(lane: string, now: number): History {
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

  /**
   * Counts a denial, once. The one that is one too many suspends from its own moment on, however old the first of
   * them is.
   *
   * @returns until when, epoch seconds, where it suspends
   */
  countDenial(sessionId: string, lane: string, now: number): number | undefined {
    const counted = this.#sql
      .exec("INSERT INTO denial (session_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", sessionId, now)
      .toArray();
    if (counted.length === 0) return undefined;
    const { n } = this.#sql
      .exec<{ n: number }>(
        "SELECT count(*) AS n FROM denial JOIN ask USING (session_id) WHERE lane = ? AND at > ?",
        lane,
        now - DENIAL_WINDOW_SECONDS,
      )
      .one();
    if (n < MAX_DENIALS) return undefined;
    const until = now + SUSPENSION_SECONDS;
    this.#sql.exec(
      "INSERT INTO suspended (lane, until) VALUES (?, ?) ON CONFLICT (lane) DO UPDATE SET until = excluded.until",
      lane,
      until,
    );
    return until;
  }

  suspendedUntil(lane: string, now: number): number | undefined {
    const [row] = this.#sql
      .exec<{ until: number }>("SELECT until FROM suspended WHERE lane = ? AND until > ?", lane, now)
      .toArray();
    return row?.until;
  }

  /** Ends every suspension, and forgets what led to it; answers whether there was one. */
  lift(now: number): boolean {
    this.#sql.exec("DELETE FROM denial");
    const ended = this.#sql.exec<{ until: number }>("DELETE FROM suspended RETURNING until").toArray();
    return ended.some(({ until }) => until > now);
  }

  forgetOld(now: number): void {
    this.#sql.exec("DELETE FROM denial WHERE at <= ?", now - DENIAL_WINDOW_SECONDS);
    this.#sql.exec("DELETE FROM suspended WHERE until <= ?", now);
    this.#sql.exec("DELETE FROM past WHERE at <= ?", now - MEMORY_SECONDS);
  }
}

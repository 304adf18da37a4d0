import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";

/** How often a person is told that more is waiting, in seconds. */
const DIGEST_SECONDS = 15 * 60;

/** The SQL of the requests that wait for one person: those that they are asked to decide, and those that are held back. */
export class InboxStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS waiting (session_id TEXT PRIMARY KEY, since INTEGER NOT NULL, asked INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS digest (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL)`);
  }

  /** The sessions that wait, also those that were held back; the oldest first. */
  list(now: number): string[] {
    return this.#sql
      .exec<{ session_id: string }>(
        "SELECT session_id FROM waiting WHERE since > ? ORDER BY since",
        now - REQUEST_LIFETIME_SECONDS,
      )
      .toArray()
      .map((row) => row.session_id);
  }

  /** Lets a session wait; answers whether the person may be asked about it now. */
  admit(sessionId: string, maxOpen: number, now: number): boolean {
    this.#sql.exec("DELETE FROM waiting WHERE since <= ?", now - REQUEST_LIFETIME_SECONDS);
    this.#sql.exec(
      "INSERT INTO waiting (session_id, since, asked) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
      sessionId,
      now,
    );
    const { asked, mine } = this.#sql
      .exec<{ asked: number; mine: number }>(
        "SELECT coalesce(sum(asked), 0) AS asked, coalesce(sum(asked AND session_id = ?), 0) AS mine FROM waiting",
        sessionId,
      )
      .one();
    if (mine === 1) return true;
    if (asked >= maxOpen) return false;
    this.#sql.exec("UPDATE waiting SET asked = 1 WHERE session_id = ?", sessionId);
    return true;
  }

  /** Lets a session wait no longer; answers the one that was held back for the longest. */
  release(sessionId: string): string | undefined {
    this.#sql.exec("DELETE FROM waiting WHERE session_id = ?", sessionId);
    return this.#sql
      .exec<{ session_id: string }>("SELECT session_id FROM waiting WHERE asked = 0 ORDER BY since LIMIT 1")
      .toArray()[0]?.session_id;
  }

  /** Whether it is time to say again that more waits; said to be so, it is not for a while. */
  isDigestDue(now: number): boolean {
    const [last] = this.#sql.exec<{ at: number }>("SELECT at FROM digest").toArray();
    if (last !== undefined && now < last.at + DIGEST_SECONDS) return false;
    this.#sql.exec("INSERT INTO digest (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at", now);
    return true;
  }
}

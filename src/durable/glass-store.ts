import type { GlassUse } from "../domain/break-glass.ts";
import { err, ok, type Result } from "../domain/result.ts";

export type GlassClaim = Pick<GlassUse, "session_id" | "client_id" | "person" | "reason" | "at" | "review_by">;
export type ClaimFault = "review_overdue" | "broken_already";
export type ReviewFault = "not_open" | "own_use";

const MAX_LISTED = 500;

/** The SQL of a tenant's broken glass. A use is never forgotten before somebody has reviewed it. */
export class GlassStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS glass (
      session_id TEXT PRIMARY KEY, client_id TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
      review_by INTEGER NOT NULL, reviewed_by TEXT, reviewed_at INTEGER, comment TEXT)`);
  }

  /** Writes a use down before it begins; answers whether it is a new one. */
  claim(use: GlassClaim): Result<{ isNew: boolean }, ClaimFault> {
    const known = this.get(use.session_id);
    if (known !== undefined) return known.person === use.person ? ok({ isNew: false }) : err("broken_already");
    const isOverdue =
      this.#sql
        .exec("SELECT 1 FROM glass WHERE person = ? AND reviewed_at IS NULL AND review_by <= ?", use.person, use.at)
        .toArray().length > 0;
    if (isOverdue) return err("review_overdue");
    this.#sql.exec(
      "INSERT INTO glass (session_id, client_id, person, reason, at, review_by) VALUES (?, ?, ?, ?, ?, ?)",
      use.session_id,
      use.client_id,
      use.person,
      use.reason,
      use.at,
      use.review_by,
    );
    return ok({ isNew: true });
  }

  /** Closes a review, once. */
  review(sessionId: string, person: string, comment: string, now: number): Result<GlassUse, ReviewFault> {
    const use = this.get(sessionId);
    if (use === undefined || use.reviewed_at !== null) return err("not_open");
    if (use.person === person) return err("own_use");
    this.#sql.exec(
      "UPDATE glass SET reviewed_by = ?, reviewed_at = ?, comment = ? WHERE session_id = ?",
      person,
      now,
      comment,
      sessionId,
    );
    return ok(use);
  }

  get(sessionId: string): GlassUse | undefined {
    return this.#rows("WHERE session_id = ?", sessionId)[0];
  }

  /** What waits for a review first, then the newest. */
  list(): GlassUse[] {
    return this.#rows(`ORDER BY reviewed_at IS NOT NULL, at DESC LIMIT ${MAX_LISTED}`);
  }

  #rows(tail: string, ...bindings: string[]): GlassUse[] {
    return this.#sql
      .exec<{ [column in keyof GlassUse]: GlassUse[column] }>(
        `SELECT session_id, client_id, person, reason, at, review_by, reviewed_by, reviewed_at, comment FROM glass ${tail}`,
        ...bindings,
      )
      .toArray();
  }
}

/** A request that a client made, as its object remembers it. */
export interface Ask {
  readonly session_id: string;
  readonly content_digest: string;
  /** Epoch seconds. */
  readonly requested_at: number;
}

/** How many requests there are of a kind, and when the first of them came, epoch seconds. */
export interface AskCount {
  readonly n: number;
  readonly first: number | null;
}

/** The SQL of the requests that a client made lately, those that wait among them. */
export class AskStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS ask (
        session_id TEXT PRIMARY KEY, lane TEXT NOT NULL, content_digest TEXT NOT NULL, idempotency_key TEXT UNIQUE,
        requested_at INTEGER NOT NULL, pending INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS ask_by_content ON ask (content_digest, pending)`);
  }

  /** Writes down a request that waits from now on. */
  add(ask: Ask, lane: string, idempotencyKey: string | undefined): void {
    this.#sql.exec(
      "INSERT INTO ask (session_id, lane, content_digest, idempotency_key, requested_at, pending) VALUES (?, ?, ?, ?, ?, 1)",
      ask.session_id,
      lane,
      ask.content_digest,
      idempotencyKey ?? null,
      ask.requested_at,
    );
  }

  byIdempotencyKey(key: string): Ask | undefined {
    return this.#find("idempotency_key = ?", key);
  }

  /** One that asks the same, and waits. */
  waitingFor(contentDigest: string): Ask | undefined {
    return this.#find("content_digest = ? AND pending = 1", contentDigest);
  }

  laneOf(sessionId: string): string | undefined {
    const [row] = this.#sql.exec<{ lane: string }>("SELECT lane FROM ask WHERE session_id = ?", sessionId).toArray();
    return row?.lane;
  }

  /** It waits no longer. */
  close(sessionId: string): void {
    this.#sql.exec("UPDATE ask SET pending = 0 WHERE session_id = ?", sessionId);
  }

  /** None that was made until then waits any longer. */
  closeUntil(at: number): void {
    this.#sql.exec("UPDATE ask SET pending = 0 WHERE pending = 1 AND requested_at <= ?", at);
  }

  forgetUntil(at: number): void {
    this.#sql.exec("DELETE FROM ask WHERE requested_at <= ?", at);
  }

  madeSince(lane: string, at: number): AskCount {
    return this.#count("lane = ? AND requested_at > ?", lane, at);
  }

  waiting(lane: string): AskCount {
    return this.#count("lane = ? AND pending = 1", lane);
  }

  /** When the newest was made, epoch seconds; 0 where there is none. */
  newestAt(): number {
    return this.#sql.exec<{ at: number | null }>("SELECT max(requested_at) AS at FROM ask").one().at ?? 0;
  }

  #find(where: string, value: string): Ask | undefined {
    return this.#sql
      .exec<{ session_id: string; content_digest: string; requested_at: number }>(
        `SELECT session_id, content_digest, requested_at FROM ask WHERE ${where}`,
        value,
      )
      .toArray()[0];
  }

  #count(where: string, ...bindings: (string | number)[]): AskCount {
    return this.#sql
      .exec<{ n: number; first: number | null }>(
        `SELECT count(*) AS n, min(requested_at) AS first FROM ask WHERE ${where}`,
        ...bindings,
      )
      .one();
  }
}

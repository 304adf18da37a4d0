/** An upstream that showed us our own credential: whoever runs it, or its catalogue, should look. */
export interface UpstreamFlag {
  readonly upstream: string;
  /** Epoch seconds. */
  readonly first_at: number;
  readonly last_at: number;
  readonly times: number;
}

/** The SQL of a tenant's flagged upstreams. */
export class UpstreamFlags {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS flagged_upstream (
      upstream TEXT PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL)`);
  }

  all(): UpstreamFlag[] {
    return this.#sql
      .exec<{ upstream: string; first_at: number; last_at: number; times: number }>("SELECT * FROM flagged_upstream")
      .toArray();
  }

  /** Answers whether it was not flagged before. */
  raise(upstream: string, now: number): boolean {
    const { times } = this.#sql
      .exec<{ times: number }>(
        `INSERT INTO flagged_upstream (upstream, first_at, last_at, times) VALUES (?1, ?2, ?2, 1)
         ON CONFLICT (upstream) DO UPDATE SET last_at = ?2, times = times + 1 RETURNING times`,
        upstream,
        now,
      )
      .one();
    return times === 1;
  }

  clear(upstream: string): boolean {
    return this.#sql.exec("DELETE FROM flagged_upstream WHERE upstream = ?", upstream).rowsWritten > 0;
  }
}

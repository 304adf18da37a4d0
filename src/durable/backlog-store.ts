/** Rows that may wait for a tenant's ledger before nothing is minted any more; about 50 MB. */
const QUOTA_ROWS = 100_000;
/** How long a report holds, in seconds. Whoever has rows that the ledger does not take reports more often. */
const REPORT_LIFETIME_SECONDS = 30;

/** The SQL of what a tenant's objects report to hold for a ledger that does not take it. */
export class BacklogStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS backlog (source TEXT PRIMARY KEY, rows INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    );
  }

  report(source: string, rows: number, now: number): void {
    this.#sql.exec("DELETE FROM backlog WHERE at <= ?", now - REPORT_LIFETIME_SECONDS);
    this.#sql.exec(
      "INSERT INTO backlog (source, rows, at) VALUES (?1, ?2, ?3) ON CONFLICT (source) DO UPDATE SET rows = ?2, at = ?3",
      source,
      rows,
      now,
    );
  }

  isOverQuota(now: number): boolean {
    const { rows } = this.#sql
      .exec<{ rows: number | null }>(
        "SELECT sum(rows) AS rows FROM backlog WHERE at > ?",
        now - REPORT_LIFETIME_SECONDS,
      )
      .one();
    return (rows ?? 0) >= QUOTA_ROWS;
  }
}

import { addColumn } from "./add-column.ts";

/** A document that was applied. */
export interface StoredConfig {
  readonly version: number;
  /** Canonical JSON. */
  readonly document: string;
}

/** The SQL of a tenant's documents, one row a version. */
export class ConfigStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS config (
      version INTEGER PRIMARY KEY, document TEXT NOT NULL, applied_at INTEGER NOT NULL)`);
    addColumn(sql, "config", "longest_session_seconds", "INTEGER NOT NULL DEFAULT 0");
  }

  /** The one in force. */
  latest(): StoredConfig | undefined {
    return this.#sql
      .exec<{ version: number; document: string }>("SELECT version, document FROM config ORDER BY version DESC LIMIT 1")
      .toArray()[0];
  }

  add({ version, document }: StoredConfig, longestSessionSeconds: number, now: number): void {
    this.#sql.exec(
      "INSERT INTO config (version, document, applied_at, longest_session_seconds) VALUES (?, ?, ?, ?)",
      version,
      document,
      now,
      longestSessionSeconds,
    );
  }

  /** What any document that was ever applied allowed at most. */
  longestSessionSeconds(): number {
    const { longest } = this.#sql
      .exec<{ longest: number | null }>("SELECT max(longest_session_seconds) AS longest FROM config")
      .one();
    return longest ?? 0;
  }
}

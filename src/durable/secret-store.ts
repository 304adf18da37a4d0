/** The SQL of a tenant's sealed secrets. */
export class SecretStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec("CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, sealed TEXT NOT NULL)");
  }

  get(name: string): string | undefined {
    return this.#sql.exec<{ sealed: string }>("SELECT sealed FROM secret WHERE name = ?", name).toArray()[0]?.sealed;
  }

  names(): string[] {
    return this.#sql
      .exec<{ name: string }>("SELECT name FROM secret ORDER BY name")
      .toArray()
      .map(({ name }) => name);
  }

  /** Whether there was one to remove. */
  remove(name: string): boolean {
    return this.#sql.exec("DELETE FROM secret WHERE name = ? RETURNING 1", name).toArray().length > 0;
  }

  /** Keeps it under its name; what was there before is gone. */
  put(name: string, sealed: string): void {
    this.#sql.exec(
      "INSERT INTO secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
      name,
      sealed,
    );
  }
}

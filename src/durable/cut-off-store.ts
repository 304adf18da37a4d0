import { cutOffKey, type CutOff, type CutOffs, type Leaver } from "../domain/cut-off.ts";

/** The SQL of a tenant's kill epochs: until when what an agent, an approver, a leaver or everybody began is dead. */
export class CutOffStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec("CREATE TABLE IF NOT EXISTS killed (client_id TEXT PRIMARY KEY, until INTEGER NOT NULL)");
  }

  all(): CutOffs {
    const rows = this.#sql.exec<{ client_id: string; until: number }>("SELECT client_id, until FROM killed").toArray();
    return Object.fromEntries(rows.map((row) => [row.client_id, row.until]));
  }

  put(cutOff: CutOff | Leaver, until: number): void {
    this.#sql.exec(
      "INSERT INTO killed (client_id, until) VALUES (?, ?) ON CONFLICT (client_id) DO UPDATE SET until = excluded.until",
      cutOffKey(cutOff),
      until,
    );
  }
}

import type { Absence } from "../domain/absence.ts";

/** The SQL of who is away by their own or the operator's word, beside what the tenant's document says. */
export class AbsenceStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS away (person TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, delegate TEXT NOT NULL)",
    );
  }

  all(): { readonly [person: string]: Absence } {
    const rows = this.#sql
      .exec<{ person: string; from: number; until: number; delegate: string }>(
        `SELECT person, since AS "from", until, delegate FROM away`,
      )
      .toArray();
    return Object.fromEntries(rows.map(({ person, ...absence }) => [person, absence]));
  }

  /** Puts a person's absence in the place of another, and forgets those that are over. */
  put(person: string, { from, until, delegate }: Absence, now: number): void {
    this.#sql.exec("DELETE FROM away WHERE until <= ?", now);
    this.#sql.exec(
      `INSERT INTO away (person, since, until, delegate) VALUES (?, ?, ?, ?)
       ON CONFLICT (person) DO UPDATE SET since = excluded.since, until = excluded.until, delegate = excluded.delegate`,
      person,
      from,
      until,
      delegate,
    );
  }

  /** Ends the absences of somebody who left, and those in which they would stand in; answers whose they were. */
  removeAllWith(person: string): string[] {
    return this.#sql
      .exec<{ person: string }>("DELETE FROM away WHERE person = ? OR delegate = ? RETURNING person", person, person)
      .toArray()
      .map((row) => row.person);
  }

  /** Whether there was one to end. */
  remove(person: string): boolean {
    return this.#sql.exec("DELETE FROM away WHERE person = ? RETURNING 1", person).toArray().length > 0;
  }
}

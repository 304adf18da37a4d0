import { err, ok, type Result } from "../domain/result.ts";
import type { PushedRequest } from "./agent-commands.ts";

/** Pushed requests of one client that wait for a browser at once. */
const MAX_PUSHED = 200;

/** The SQL of a client's pushed authorization requests, RFC 9126. */
export class PushedStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS pushed (id TEXT PRIMARY KEY, parameters TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
    );
  }

  add({ id, parameters, until }: PushedRequest, now: number): Result<void, "overloaded"> {
    this.#sql.exec("DELETE FROM pushed WHERE until <= ?", now);
    const { n } = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM pushed").one();
    if (n >= MAX_PUSHED) return err("overloaded");
    this.#sql.exec("INSERT INTO pushed (id, parameters, until) VALUES (?, ?, ?)", id, parameters, until);
    return ok(undefined);
  }

  get(id: string, now: number): PushedRequest | undefined {
    return this.#sql
      .exec<{ id: string; parameters: string; until: number }>(
        "SELECT id, parameters, until FROM pushed WHERE id = ? AND until > ?",
        id,
        now,
      )
      .toArray()[0];
  }
}

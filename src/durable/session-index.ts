import type { CutOff } from "../domain/cut-off.ts";
import { addColumn } from "./add-column.ts";

/** One line of the tenant's index of sessions. */
export interface IndexedSession {
  readonly session_id: string;
  readonly client_id: string;
  readonly status: string;
  /** Epoch seconds. */
  readonly created_at: number;
  readonly ended_at: number | null;
  /** Who approved it. */
  readonly approved_by: readonly string[];
}

const MAX_LISTED_SESSIONS = 500;

/** The SQL of a tenant's index of sessions. Each session's own object is what decides; this finds them. */
export class SessionIndex {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS session (
        session_id TEXT PRIMARY KEY, client_id TEXT NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER);
      CREATE INDEX IF NOT EXISTS session_by_client ON session (client_id, status)`);
    addColumn(sql, "session", "approved_by", "TEXT NOT NULL DEFAULT ''");
  }

  /** Told late or twice, it never moves a session back. */
  put(row: IndexedSession): void {
    this.#sql.exec(
      `INSERT INTO session (session_id, client_id, status, created_at, ended_at, approved_by) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE
       SET status = excluded.status, ended_at = excluded.ended_at, approved_by = excluded.approved_by
       WHERE session.status <> 'ended' AND NOT (session.status = 'active' AND excluded.status = 'pending')`,
      row.session_id,
      row.client_id,
      row.status,
      row.created_at,
      row.ended_at,
      row.approved_by.map((person) => ` ${person} `).join(""),
    );
  }

  /** The newest first. */
  list(): IndexedSession[] {
    return this.#sql
      .exec<{
        session_id: string;
        client_id: string;
        status: string;
        created_at: number;
        ended_at: number | null;
        approved_by: string;
      }>(
        "SELECT session_id, client_id, status, created_at, ended_at, approved_by FROM session ORDER BY created_at DESC LIMIT ?",
        MAX_LISTED_SESSIONS,
      )
      .toArray()
      .map((row) => ({ ...row, approved_by: row.approved_by.split(" ").filter((person) => person !== "") }));
  }

  /** The sessions at work that somebody approved, the newest first. */
  activeOf(person: string): string[] {
    return this.#sql
      .exec<{ session_id: string }>(
        `SELECT session_id FROM session WHERE status = 'active' AND instr(approved_by, ?) > 0
         ORDER BY created_at DESC LIMIT ?`,
        ` ${person} `,
        MAX_LISTED_SESSIONS,
      )
      .toArray()
      .map((row) => row.session_id);
  }

  /** The sessions that a cut-off ends. */
  hitBy(cutOff: CutOff): string[] {
    const id = cutOff.kind === "tenant" ? "" : cutOff.id;
    return this.#sql
      .exec<{ session_id: string }>(
        `SELECT session_id FROM session WHERE status <> 'ended'
         AND (?1 = 'tenant' OR (?1 = 'agent' AND client_id = ?2) OR (?1 = 'approver' AND instr(approved_by, ?3) > 0))`,
        cutOff.kind,
        id,
        ` ${id} `,
      )
      .toArray()
      .map((row) => row.session_id);
  }

  /** Clients with sessions that are known by a metadata document on this host. */
  clientsOn(host: string): string[] {
    return this.#sql
      .exec<{ client_id: string }>(
        "SELECT DISTINCT client_id FROM session WHERE status <> 'ended' AND instr(client_id, ?) = 1",
        `https://${host}/`,
      )
      .toArray()
      .map((row) => row.client_id);
  }

  remove(sessionId: string): void {
    this.#sql.exec("DELETE FROM session WHERE session_id = ?", sessionId);
  }
}

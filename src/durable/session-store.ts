import type { Labels } from "../domain/facts.ts";
import type { SessionState } from "../domain/session.ts";
import { Journal } from "./journal.ts";
import { LeaseStore } from "./lease-store.ts";
import { OneTimeStore } from "./one-time.ts";
import { Outbox } from "./outbox.ts";
import { UsageStore } from "./usage-store.ts";

/** What stands beside the state and never changes after the session was opened. */
export interface SessionSetting {
  readonly issuer: string;
  readonly labels: Labels;
  readonly match_code: string;
  /** The person who answered for the agent when it asked. */
  readonly owner?: string | undefined;
  /** The browser that began an authorization request: its view's digest, and the client's `state` to give back. */
  readonly browser?: { readonly digest: string; readonly state?: string | undefined } | undefined;
}

/** A message that was posted and can be changed. */
export interface PostedMessage {
  readonly reference: string;
  /** To whom it went; undefined for one that many read. */
  readonly person?: string | undefined;
}

interface PollRecord {
  /** Epoch milliseconds. */
  readonly last_at: number;
  readonly interval_seconds: number;
}

/** The SQL of a session's own rows. Nothing in here decides anything. */
export class SessionStore {
  readonly #sql: SqlStorage;
  #opened: boolean;
  #parsed: { text: string; state: SessionState } | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#opened = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'session'").toArray().length > 0;
    if (this.#opened) {
      LeaseStore.addColumns(sql);
      Journal.addColumns(sql);
      // A session that an earlier release opened has no such table.
      UsageStore.createTables(sql);
    }
  }

  /** Whether the session was ever opened. Until then the object writes nothing, so a guessed id costs no disk. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Its storage was deleted: from now on there is no such session. */
  forget(): void {
    this.#opened = false;
  }

  create(state: SessionState, setting: SessionSetting): void {
    this.#sql.exec(`
      CREATE TABLE session (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, setting TEXT NOT NULL, shrunk INTEGER NOT NULL DEFAULT 0);
      CREATE TABLE poll (id INTEGER PRIMARY KEY CHECK (id = 1), last_at INTEGER NOT NULL, interval_seconds INTEGER NOT NULL);
      CREATE TABLE revoked_token (jti TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE receipt (id INTEGER PRIMARY KEY CHECK (id = 1), jws TEXT NOT NULL)`);
    Journal.createTables(this.#sql);
    Outbox.createTables(this.#sql);
    OneTimeStore.createTables(this.#sql);
    LeaseStore.createTables(this.#sql);
    UsageStore.createTables(this.#sql);
    this.#sql.exec(
      "INSERT INTO session (id, state, setting) VALUES (1, ?, ?)",
      JSON.stringify(state),
      JSON.stringify(setting),
    );
    this.#opened = true;
  }

  /** The stored state. Read at every decision; only the parsing is remembered. */
  state(): SessionState {
    const { state: text } = this.#sql.exec<{ state: string }>("SELECT state FROM session").one();
    if (this.#parsed?.text !== text) this.#parsed = { text, state: JSON.parse(text) as SessionState };
    return this.#parsed.state;
  }

  setting(): SessionSetting {
    return JSON.parse(
      this.#sql.exec<{ setting: string }>("SELECT setting FROM session").one().setting,
    ) as SessionSetting;
  }

  write(state: SessionState): void {
    this.#sql.exec("UPDATE session SET state = ?", JSON.stringify(state));
  }

  poll(): PollRecord | undefined {
    return this.#sql
      .exec<{ last_at: number; interval_seconds: number }>("SELECT last_at, interval_seconds FROM poll")
      .toArray()[0];
  }

  recordPoll(record: PollRecord): void {
    this.#sql.exec(
      "INSERT INTO poll (id, last_at, interval_seconds) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, interval_seconds = excluded.interval_seconds",
      record.last_at,
      record.interval_seconds,
    );
  }

  revokeToken(jti: string): boolean {
    return (
      this.#sql.exec("INSERT INTO revoked_token (jti) VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", jti).toArray()
        .length === 1
    );
  }

  isTokenRevoked(jti: string): boolean {
    return this.#sql.exec("SELECT 1 FROM revoked_token WHERE jti = ?", jti).toArray().length > 0;
  }

  receipt(): string | undefined {
    return this.#sql.exec<{ jws: string }>("SELECT jws FROM receipt").toArray()[0]?.jws;
  }

  writeReceipt(jws: string): void {
    this.#sql.exec("INSERT INTO receipt (id, jws) VALUES (1, ?) ON CONFLICT DO NOTHING", jws);
  }

  /** Keeps what names a message that can be changed later, and to whom it went, if to one person. */
  rememberPosted({ reference, person }: PostedMessage): void {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS posted (reference TEXT PRIMARY KEY, person TEXT) WITHOUT ROWID");
    this.#sql.exec(
      "INSERT INTO posted (reference, person) VALUES (?, ?) ON CONFLICT DO NOTHING",
      reference,
      person ?? null,
    );
  }

  posted(): PostedMessage[] {
    const made = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'posted'").toArray().length > 0;
    if (!made) return [];
    return this.#sql
      .exec<{ reference: string; person: string | null }>("SELECT reference, person FROM posted")
      .toArray()
      .map(({ reference, person }) => ({ reference, person: person ?? undefined }));
  }

  /** Drops what an ended session no longer needs: its events are in the ledger, its outcome in the receipt. */
  shrink(): void {
    this.#sql.exec(`
      DELETE FROM used; DELETE FROM revoked_token; DELETE FROM poll; DELETE FROM lease;
      DELETE FROM event WHERE seq < (SELECT max(seq) FROM event);
      UPDATE session SET shrunk = 1`);
  }

  isShrunk(): boolean {
    return this.#sql.exec<{ shrunk: number }>("SELECT shrunk FROM session").one().shrunk === 1;
  }
}

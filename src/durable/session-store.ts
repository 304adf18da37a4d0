import type { Labels } from "../domain/facts.ts";
import type { SessionState } from "../domain/session.ts";
import { addColumn } from "./add-column.ts";
import { hasTable } from "./has-table.ts";
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
  /** The browser that began an authorization request, by its view's digest. */
  readonly browser?: { readonly digest: string } | undefined;
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
  /** It never changes. */
  #setting: SessionSetting | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#opened = hasTable(sql, "session");
    if (this.#opened) this.#takeOver();
  }

  /** Whether the session was ever opened. Until then the object writes nothing, so a guessed id costs an empty file at most. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Few tables, and no index beside them: each takes a page of the file, empty or not, and no file ever shrinks. */
  create(state: SessionState, setting: SessionSetting): void {
    this.#sql.exec(`
      CREATE TABLE session (
        id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, setting TEXT NOT NULL, shrunk INTEGER NOT NULL DEFAULT 0,
        has_revoked INTEGER NOT NULL DEFAULT 0, polled_at INTEGER, poll_interval_seconds INTEGER, receipt TEXT)`);
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

  /** Storage has changed behind what is remembered: a transaction was undone, or everything deleted. */
  forget(): void {
    this.#opened = hasTable(this.#sql, "session");
    this.#setting = undefined;
  }

  /** The stored state, and whether any token was revoked. Read at every decision; only the parsing is remembered. */
  read(): { readonly state: SessionState; readonly hasRevoked: boolean } {
    const { state: text, has_revoked } = this.#sql
      .exec<{ state: string; has_revoked: number }>("SELECT state, has_revoked FROM session")
      .one();
    if (this.#parsed?.text !== text) this.#parsed = { text, state: JSON.parse(text) as SessionState };
    return { state: this.#parsed.state, hasRevoked: has_revoked === 1 };
  }

  state(): SessionState {
    return this.read().state;
  }

  setting(): SessionSetting {
    return (this.#setting ??= JSON.parse(
      this.#sql.exec<{ setting: string }>("SELECT setting FROM session").one().setting,
    ) as SessionSetting);
  }

  write(state: SessionState): void {
    this.#sql.exec("UPDATE session SET state = ?", JSON.stringify(state));
  }

  poll(): PollRecord | undefined {
    return this.#sql
      .exec<{ last_at: number; interval_seconds: number }>(
        "SELECT polled_at AS last_at, poll_interval_seconds AS interval_seconds FROM session WHERE polled_at IS NOT NULL",
      )
      .toArray()[0];
  }

  recordPoll(record: PollRecord): void {
    this.#sql.exec(
      "UPDATE session SET polled_at = ?, poll_interval_seconds = ?",
      record.last_at,
      record.interval_seconds,
    );
  }

  revokeToken(jti: string): boolean {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS revoked_token (jti TEXT PRIMARY KEY) WITHOUT ROWID");
    this.#sql.exec("UPDATE session SET has_revoked = 1 WHERE has_revoked = 0");
    return (
      this.#sql.exec("INSERT INTO revoked_token (jti) VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", jti).toArray()
        .length === 1
    );
  }

  /** @param hasRevoked as {@link read} says */
  isTokenRevoked(jti: string, hasRevoked = this.read().hasRevoked): boolean {
    if (!hasRevoked) return false;
    return this.#sql.exec("SELECT 1 FROM revoked_token WHERE jti = ?", jti).toArray().length > 0;
  }

  receipt(): string | undefined {
    return this.#sql.exec<{ receipt: string | null }>("SELECT receipt FROM session").one().receipt ?? undefined;
  }

  writeReceipt(jws: string): void {
    this.#sql.exec("UPDATE session SET receipt = ? WHERE receipt IS NULL", jws);
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
    if (!hasTable(this.#sql, "posted")) return [];
    return this.#sql
      .exec<{ reference: string; person: string | null }>("SELECT reference, person FROM posted")
      .toArray()
      .map(({ reference, person }) => ({ reference, person: person ?? undefined }));
  }

  /** Drops what an ended session no longer needs: its events are in the ledger, its outcome in the receipt. */
  shrink(): void {
    this.#sql.exec(`
      DELETE FROM used; DELETE FROM lease; DROP TABLE IF EXISTS revoked_token;
      DELETE FROM event WHERE seq < (SELECT max(seq) FROM event);
      UPDATE session SET shrunk = 1, has_revoked = 0`);
  }

  isShrunk(): boolean {
    return this.#sql.exec<{ shrunk: number }>("SELECT shrunk FROM session").one().shrunk === 1;
  }

  /** Makes a session that an earlier release opened one of this release. Doing it again changes nothing. */
  #takeOver(): void {
    if (!hasTable(this.#sql, "receipt")) return;
    LeaseStore.addColumns(this.#sql);
    UsageStore.createTables(this.#sql);
    Journal.createTables(this.#sql);
    addColumn(this.#sql, "session", "has_revoked", "INTEGER NOT NULL DEFAULT 0");
    addColumn(this.#sql, "session", "polled_at", "INTEGER");
    addColumn(this.#sql, "session", "poll_interval_seconds", "INTEGER");
    addColumn(this.#sql, "session", "receipt", "TEXT");
    this.#sql.exec(`
      UPDATE session SET receipt = (SELECT jws FROM receipt), has_revoked = EXISTS (SELECT 1 FROM revoked_token),
        polled_at = (SELECT last_at FROM poll), poll_interval_seconds = (SELECT interval_seconds FROM poll);
      DROP TABLE poll;
      DROP TABLE receipt`);
  }
}

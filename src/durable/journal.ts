import { canonicalJson } from "../domain/canonical-json.ts";
import { sha256 } from "../crypto/hash.ts";
import { hasTable } from "./has-table.ts";

/** One row of an audit chain. */
export interface JournalEvent {
  readonly seq: number;
  /** Epoch seconds. */
  readonly at: number;
  readonly type: string;
  /** Canonical JSON. Ids, digests and reasons; never a token, a secret or an agent's prose. */
  readonly data: string;
  /** SHA-256 over {@link eventDigestInput}. */
  readonly hash: string;
}

/** What an event may say of itself. */
export type EventData = { readonly [name: string]: string | number | boolean | readonly string[] | undefined };

/** The newest row of a chain: where it goes on, and the latest time that it tells. */
export type JournalHead = Pick<JournalEvent, "seq" | "at" | "hash">;

const GENESIS = "";
/** Refusals beyond this many in {@link WINDOW_SECONDS} are only counted, so that a denied agent cannot fill the store. */
const MAX_REFUSALS = 200;
/** After this a source's refusals are recorded again: who was refused a lot long ago must not go unseen today. */
const WINDOW_SECONDS = 3600;

/**
 * An object's audit log: append-only, each row's hash covering the one before. Appending is
 * synchronous, so that it shares a transaction with the change it records.
 */
export class Journal {
  readonly #sql: SqlStorage;
  readonly #source: string;

  /** @param source the object that the log is of, such as a session id; part of every hash */
  constructor(sql: SqlStorage, source: string) {
    this.#sql = sql;
    this.#source = source;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS event (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, hash TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS journal (
        id INTEGER PRIMARY KEY CHECK (id = 1), sent INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
        refused_since INTEGER NOT NULL DEFAULT 0, refused_earlier INTEGER NOT NULL DEFAULT 0)`);
    if (hasTable(sql, "ledger_cursor")) takeOver(sql);
  }

  /** @param head where the chain stands; answers where it stands then */
  append(type: string, data: EventData, at: number, head = this.head()): JournalHead {
    const text = canonicalJson(data);
    const seq = head.seq + 1;
    const hash = sha256(eventDigestInput(this.#source, { seq, at, type, data: text }, head.hash));
    this.#sql.exec("INSERT INTO event (seq, at, type, data, hash) VALUES (?, ?, ?, ?, ?)", seq, at, type, text, hash);
    return { seq, at, hash };
  }

  /**
   * Records a refusal as {@link append} does, up to a bound; past it the refusals are counted, and told of
   * in the first one after the window.
   */
  refuse(data: EventData & { readonly reason: string }, at: number, head = this.head()): JournalHead {
    const before = this.#refusalCount();
    const isOver = at >= before.since + WINDOW_SECONDS;
    const missed = isOver && before.recorded > MAX_REFUSALS ? before.dropped : undefined;
    const count = isOver
      ? { ...before, since: at, earlier: before.earlier + Math.min(before.recorded, MAX_REFUSALS), recorded: 0 }
      : before;
    const isDropped = count.recorded >= MAX_REFUSALS;
    this.#sql.exec(
      `INSERT INTO journal (id, refused, dropped, refused_since, refused_earlier) VALUES (1, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET refused = excluded.refused, dropped = excluded.dropped,
         refused_since = excluded.refused_since, refused_earlier = excluded.refused_earlier`,
      Math.min(count.recorded + 1, MAX_REFUSALS + 1),
      count.dropped + (isDropped ? 1 : 0),
      count.since,
      count.earlier,
    );
    if (isDropped) return head;
    return this.append(
      "refused",
      { ...data, ...(missed === undefined ? {} : { not_recorded_so_far: missed }) },
      at,
      head,
    );
  }

  /** How many refusals there were, recorded or only counted. */
  refusals(): number {
    const { recorded, dropped, earlier } = this.#refusalCount();
    return earlier + Math.min(recorded, MAX_REFUSALS) + dropped;
  }

  head(): JournalHead {
    const [row] = this.#sql
      .exec<{ seq: number; at: number; hash: string }>("SELECT seq, at, hash FROM event ORDER BY seq DESC LIMIT 1")
      .toArray();
    return row ?? { seq: 0, at: 0, hash: GENESIS };
  }

  count(type: string): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM event WHERE type = ?", type).one().n;
  }

  /** The newest events of these kinds, the newest first. */
  newest(types: readonly string[], limit: number): JournalEvent[] {
    const marks = types.map(() => "?").join(", ");
    return this.#sql
      .exec<{ seq: number; at: number; type: string; data: string; hash: string }>(
        `SELECT seq, at, type, data, hash FROM event WHERE type IN (${marks}) ORDER BY seq DESC LIMIT ?`,
        ...types,
        limit,
      )
      .toArray();
  }

  /** The events of one kind since then (epoch seconds), the newest first; no more of them is read than is taken. */
  *since(type: string, at: number): Iterable<Pick<JournalEvent, "at" | "data">> {
    const rows = this.#sql.exec<{ at: number; type: string; data: string }>(
      "SELECT at, type, data FROM event ORDER BY seq DESC",
    );
    for (const row of rows) {
      if (row.at < at) return;
      if (row.type === type) yield row;
    }
  }

  /** Rows that the ledger has not confirmed yet, oldest first. */
  unsent(limit: number): JournalEvent[] {
    return this.#sql
      .exec<{ seq: number; at: number; type: string; data: string; hash: string }>(
        "SELECT seq, at, type, data, hash FROM event WHERE seq > coalesce((SELECT sent FROM journal), 0) ORDER BY seq LIMIT ?",
        limit,
      )
      .toArray();
  }

  markSent(seq: number): void {
    this.#sql.exec(
      "INSERT INTO journal (id, sent) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET sent = max(sent, excluded.sent)",
      seq,
    );
  }

  #refusalCount(): { recorded: number; dropped: number; since: number; earlier: number } {
    const [row] = this.#sql
      .exec<{ recorded: number; dropped: number; since: number; earlier: number }>(
        "SELECT refused AS recorded, dropped, refused_since AS since, refused_earlier AS earlier FROM journal",
      )
      .toArray();
    return row ?? { recorded: 0, dropped: 0, since: 0, earlier: 0 };
  }
}

/** What an earlier release kept in two tables, each of them a page. */
function takeOver(sql: SqlStorage): void {
  sql.exec(`
    INSERT INTO journal (id, sent, refused, dropped)
      SELECT 1, coalesce((SELECT seq FROM ledger_cursor), 0),
        coalesce((SELECT recorded FROM refusal_count), 0), coalesce((SELECT dropped FROM refusal_count), 0)
      WHERE true ON CONFLICT DO NOTHING;
    DROP TABLE IF EXISTS refusal_count;
    DROP TABLE ledger_cursor`);
}

/** The text whose SHA-256 is an event's hash: RFC 8785 over its parts, the previous hash among them. */
export function eventDigestInput(source: string, event: Omit<JournalEvent, "hash">, previousHash: string): string {
  return canonicalJson({
    source,
    seq: event.seq,
    at: event.at,
    type: event.type,
    data: event.data,
    previous: previousHash,
  });
}

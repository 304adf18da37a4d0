import { DurableObject } from "cloudflare:workers";
import { sha256 } from "../crypto/hash.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { log } from "../log.ts";
import type { JournalEvent } from "./journal.ts";

/** A row of the tenant's audit log: an object's event, and its place in the log's own chain. */
export interface LedgerRow extends JournalEvent {
  readonly n: number;
  /** The object whose event it is: a session id, `agent:…` or `tenant`. */
  readonly source: string;
  /** SHA-256 over {@link chainInput}. */
  readonly chain: string;
}

export interface LedgerHead {
  readonly n: number;
  readonly chain: string;
}

const MAX_PAGE = 500;

/** One per tenant: the audit log of everything in it, fed by the other objects' journals. */
export class Ledger extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS row (
        n INTEGER PRIMARY KEY, source TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
        type TEXT NOT NULL, data TEXT NOT NULL, hash TEXT NOT NULL, chain TEXT NOT NULL,
        UNIQUE (source, seq))`);
  }

  /**
   * Takes an object's events in their order. Events it has already are passed over, so a feeder may
   * repeat itself. Another event in the place of one it has is not: the object was set back and lives
   * on, and what it did since must not seem to be here.
   *
   * @returns the last `seq` up to which it holds what the source says
   */
  append(source: string, events: readonly JournalEvent[]): number {
    return this.ctx.storage.transactionSync(() => {
      let last =
        this.#sql.exec<{ seq: number | null }>("SELECT max(seq) AS seq FROM row WHERE source = ?", source).one().seq ??
        0;
      for (const event of events) {
        if (event.seq <= last && !this.#holds(source, event)) {
          log("ledger.forked", { reason: source });
          return event.seq - 1;
        }
        if (event.seq !== last + 1) continue;
        const head = this.head();
        const n = head.n + 1;
        const chain = sha256(chainInput({ n, source, hash: event.hash }, head.chain));
        this.#sql.exec(
          "INSERT INTO row (n, source, seq, at, type, data, hash, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          n,
          source,
          event.seq,
          event.at,
          event.type,
          event.data,
          event.hash,
          chain,
        );
        last = event.seq;
      }
      return last;
    });
  }

  #holds(source: string, { seq, hash }: JournalEvent): boolean {
    const held = this.#sql.exec("SELECT 1 FROM row WHERE source = ? AND seq = ? AND hash = ?", source, seq, hash);
    return held.toArray().length > 0;
  }

  head(): LedgerHead {
    const [row] = this.#sql
      .exec<{ n: number; chain: string }>("SELECT n, chain FROM row ORDER BY n DESC LIMIT 1")
      .toArray();
    return row ?? { n: 0, chain: "" };
  }

  /** Rows after `n`, oldest first. */
  read(after: number): LedgerRow[] {
    return this.#sql
      .exec<{
        n: number;
        source: string;
        seq: number;
        at: number;
        type: string;
        data: string;
        hash: string;
        chain: string;
      }>("SELECT n, source, seq, at, type, data, hash, chain FROM row WHERE n > ? ORDER BY n LIMIT ?", after, MAX_PAGE)
      .toArray();
  }
}

/** The text whose SHA-256 is a row's link in the ledger's chain. */
function chainInput(row: { n: number; source: string; hash: string }, previousChain: string): string {
  return canonicalJson({ n: row.n, source: row.source, hash: row.hash, previous: previousChain });
}

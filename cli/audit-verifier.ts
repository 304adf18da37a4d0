import { createHash } from "node:crypto";
import { canonicalJson } from "../src/domain/canonical-json.ts";

/** A row of the audit log as the admin API gives it. */
export interface AuditRow {
  readonly n: number;
  readonly source: string;
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly data: string;
  readonly hash: string;
  readonly chain: string;
}

/**
 * Recomputes both chains of the audit log: each object's own, over its events, and the ledger's, over
 * the rows as they arrived. An edited, lost, doubled or moved row breaks at least one of them.
 */
export class AuditVerifier {
  readonly #lastOfSource = new Map<string, { seq: number; hash: string }>();
  #last = { n: 0, chain: "" };

  get count(): number {
    return this.#last.n;
  }

  /** Takes the next row; says what is wrong with it, if anything is. */
  add(row: AuditRow): string | undefined {
    if (row.n !== this.#last.n + 1) return `expected row ${this.#last.n + 1}`;
    const before = this.#lastOfSource.get(row.source) ?? { seq: 0, hash: "" };
    if (row.seq !== before.seq + 1) return `expected event ${before.seq + 1} of ${row.source}`;
    const { source, seq, at, type, data } = row;
    if (row.hash !== sha256({ source, seq, at, type, data, previous: before.hash }))
      return "its content is not what was hashed";
    if (row.chain !== sha256({ n: row.n, source, hash: row.hash, previous: this.#last.chain }))
      return "its place in the log is not what was hashed";
    this.#lastOfSource.set(source, { seq, hash: row.hash });
    this.#last = { n: row.n, chain: row.chain };
    return undefined;
  }
}

function sha256(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("base64url");
}

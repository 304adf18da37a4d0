import { createHash } from "node:crypto";
import { readJws } from "../src/crypto/jws.ts";
import { canonicalJson, isJsonObject } from "../src/domain/canonical-json.ts";

const CHECKPOINT_TYPE = "stint-checkpoint+jwt";

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

/** The head of the log as it stood when somebody kept it elsewhere. */
export interface Checkpoint {
  readonly n: number;
  readonly chain: string;
}

/** A row as `stint audit list` prints it, one line of JSON; undefined when it is none. */
export function readRow(line: string): AuditRow | undefined {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isJsonObject(row)) return undefined;
  const isWhole =
    ["n", "seq", "at"].every((name) => typeof row[name] === "number") &&
    ["source", "type", "data", "hash", "chain"].every((name) => isText(row[name]));
  return isWhole ? (row as unknown as AuditRow) : undefined;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

/** What a signed checkpoint says; undefined when it is none. Its keeper trusts the copy, not the signature. */
export function readCheckpoint(jws: string): Checkpoint | undefined {
  const parsed = readJws(jws.trim(), false);
  if (!parsed.ok || parsed.value.typ !== CHECKPOINT_TYPE) return undefined;
  const { n, chain } = parsed.value.claims;
  return typeof n === "number" && typeof chain === "string" ? { n, chain } : undefined;
}

/**
 * Recomputes both chains of the audit log: each object's own, over its events, and the ledger's, over
 * the rows as they arrived. An edited, lost, doubled or moved row breaks at least one of them.
 */
export class AuditVerifier {
  readonly #lastOfSource = new Map<string, { seq: number; hash: string }>();
  readonly #checkpoint: Checkpoint | undefined;
  #last = { n: 0, chain: "" };

  /** @param checkpoint what the log must still hold: one that was cut short, or written anew, does not */
  constructor(checkpoint?: Checkpoint) {
    this.#checkpoint = checkpoint;
  }

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
    if (row.n === this.#checkpoint?.n && row.chain !== this.#checkpoint.chain)
      return "the log up to here is not the one of which the checkpoint was kept";
    this.#lastOfSource.set(source, { seq, hash: row.hash });
    this.#last = { n: row.n, chain: row.chain };
    return undefined;
  }

  /** After the last row: says what is missing, if anything is. */
  end(): string | undefined {
    const kept = this.#checkpoint?.n ?? 0;
    return this.count < kept
      ? `the log ends at row ${this.count}, but had ${kept} when the checkpoint was kept`
      : undefined;
  }
}

function sha256(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("base64url");
}

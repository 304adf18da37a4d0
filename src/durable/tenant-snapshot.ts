import type { SealedSigningKey } from "../crypto/signing-key.ts";
import type { WrappedKey } from "../crypto/vault.ts";
import type { Absence } from "../domain/absence.ts";
import type { CutOffs } from "../domain/cut-off.ts";
import type { KnownDefinitions } from "../domain/tool-definitions.ts";
import type { TenantBooks } from "./tenant-books.ts";

/** What an isolate needs to serve a tenant; cached there for a few seconds. */
export interface TenantSnapshot {
  /** Another one with every change of anything in here. */
  readonly revision: number;
  readonly configVersion: number;
  /** The tenant's document as canonical JSON; undefined until one is applied. */
  readonly document: string | undefined;
  readonly keys: readonly SealedSigningKey[];
  readonly tenantKeys: readonly WrappedKey[];
  readonly cutOffs: CutOffs;
  /** Whether so much waits for the ledger that nothing may be minted. */
  readonly isLedgerBehind: boolean;
  /** Who is away by the operator's word, beside what the document says. */
  readonly absences: { readonly [person: string]: Absence };
  /** What is known of the tool definitions of each server. */
  readonly servers: { readonly [server: string]: KnownDefinitions };
}

/** The snapshot, or undefined when the caller's is still the newest. */
export function takeSnapshot(books: TenantBooks, knownRevision: number | undefined): TenantSnapshot | undefined {
  const isLedgerBehind = books.backlog.isOverQuota(books.now());
  // Time alone ends a report, which is no write: what it says is a part of the number.
  const revision = books.revision() * 2 + Number(isLedgerBehind);
  if (revision === knownRevision) return undefined;
  const config = books.config.latest();
  return {
    revision,
    configVersion: config?.version ?? 0,
    document: config?.document,
    keys: books.keys.all(),
    tenantKeys: books.tenantKeys.all(),
    cutOffs: books.cutOffs.all(),
    isLedgerBehind,
    absences: books.absences.all(),
    servers: books.pins.all(),
  };
}

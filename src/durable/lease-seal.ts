import { seal } from "../crypto/seal.ts";
import { openSealed, type TenantContext } from "../tenancy.ts";
import type { HeldLease } from "./lease-store.ts";

/** What is sealed of a lease: what calls are made with, and what it is taken back by. */
type Part = "credential" | "handle";

/** Seals a part of a lease, bound to that lease: a row that is moved elsewhere does not open. */
export function sealPart(
  { vault, issuer }: TenantContext,
  lease: Pick<HeldLease, "lease_id" | "upstream">,
  part: Part,
  plaintext: string,
): Promise<string> {
  return seal(vault, { issuer, kind: "lease", name: nameOf(lease, part) }, plaintext);
}

/** Opens it again; undefined where there is none, or its key is gone. */
export async function openPart(env: Env, issuer: string, lease: HeldLease, part: Part): Promise<string | undefined> {
  const sealed = part === "credential" ? lease.sealed_credential : lease.sealed_handle;
  const context = { issuer, kind: "lease", name: nameOf(lease, part) } as const;
  return sealed === undefined ? undefined : openSealed(env, context, sealed);
}

function nameOf({ upstream, lease_id }: Pick<HeldLease, "lease_id" | "upstream">, part: Part): string {
  return `${upstream} ${lease_id} ${part}`;
}

import { connectorFor } from "../connectors/index.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { outboundOf, readSecret, type TenantContext } from "../tenancy.ts";
import { openPart } from "./lease-seal.ts";
import type { HeldLease } from "./lease-store.ts";

/** How often taking a credential back is tried before the receipt says that it failed. */
const MAX_REVOKE_ATTEMPTS = 8;

/** What taking a lease back needs. */
export interface ReturnAsk {
  readonly env: Env;
  readonly context: () => Promise<TenantContext>;
  /** How often it was tried before. */
  readonly attempts: number;
  readonly now: () => number;
}

/** Takes a lease back at its upstream. Answers what became of it, or undefined to try again later. */
export async function returnLease(
  lease: HeldLease,
  { env, context: load, attempts, now }: ReturnAsk,
): Promise<LeaseFate | undefined> {
  if (lease.ends === "irrevocable") return { fate: "irrevocable" };
  if (lease.ends === "expires") return { fate: "expires_at", at: lease.expires_at ?? 0 };
  const context = await load();
  const { issuer, tenant } = context;
  const upstream = tenant.upstreams.get(lease.upstream);
  const handle = await openPart(env, issuer, lease, "handle");
  if (upstream === undefined || handle === undefined)
    return fateWithout(lease, "its upstream is no longer configured", now());
  const revoked = await connectorFor(upstream.upstream).revoke({
    upstream: upstream.upstream,
    handle,
    outbound: outboundOf(context),
    readSecret: (name) => readSecret(env, issuer, name),
    now: now(),
  });
  if (revoked.ok) return { fate: "revoked", at: now() };
  const isFinal = revoked.error.kind === "upstream_refused" || attempts + 1 >= MAX_REVOKE_ATTEMPTS;
  return isFinal ? fateWithout(lease, revoked.error.kind, now()) : undefined;
}

/** What the receipt says of a credential that could not be taken back. */
function fateWithout(lease: HeldLease, reason: string, now: number): LeaseFate {
  return lease.expires_at === undefined
    ? { fate: "failed", reason, retried_until: now }
    : { fate: "expires_at", at: lease.expires_at };
}

import { connectorFor } from "../connectors/index.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { loadTenant, outboundOf, readSecret } from "../tenancy.ts";
import { openPart } from "./lease-seal.ts";
import type { HeldLease } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";

/** How often taking a credential back is tried before the receipt says that it failed. */
const MAX_REVOKE_ATTEMPTS = 8;

/** How what upstreams gave to one session goes back to them. */
export class LeaseReturns {
  readonly #env: Env;
  readonly #books: SessionBooks;

  constructor(env: Env, books: SessionBooks) {
    this.#env = env;
    this.#books = books;
  }

  /** Keeps a lease from being used again and has it taken back, in the caller's transaction. */
  withdraw(leaseId: string): void {
    this.#books.leases.withdraw(leaseId);
    this.#books.queueRevocation(leaseId);
  }

  /** Takes a lease back at its upstream. Answers what became of it, or undefined to try again later. */
  async takeBack(leaseId: string, attempts: number): Promise<LeaseFate | undefined> {
    const lease = this.#books.leases.get(leaseId);
    return lease === undefined ? undefined : this.#revoke(lease, attempts);
  }

  /** What must not be used, because the session ended meanwhile or it is too wide, is taken back here and now, or by the next alarm. */
  async takeBackNow(leaseId: string): Promise<void> {
    const fate = await this.takeBack(leaseId, 0);
    if (fate !== undefined) this.close(leaseId, fate);
    else this.#books.queueRevocation(leaseId);
  }

  /** Records a lease's fate. */
  close(leaseId: string, fate: LeaseFate): void {
    this.#books.transaction(() => {
      if (!this.#books.leases.isOpen(leaseId)) return;
      this.#books.leases.close(leaseId, fate);
      const reason = fate.fate === "failed" ? fate.reason : undefined;
      this.#books.record("lease.closed", { lease_id: leaseId, fate: fate.fate, reason });
    });
  }

  /** @param attempts how often it was tried before */
  async #revoke(lease: HeldLease, attempts: number): Promise<LeaseFate | undefined> {
    if (lease.ends === "irrevocable") return { fate: "irrevocable" };
    if (lease.ends === "expires") return { fate: "expires_at", at: lease.expires_at ?? 0 };
    const context = await loadTenant(this.#env, this.#books.store.setting().issuer);
    const { issuer, tenant } = context;
    const upstream = tenant.upstreams.get(lease.upstream)?.upstream;
    const handle = await openPart(this.#env, issuer, lease, "handle");
    if (upstream === undefined || handle === undefined)
      return fateWithout(lease, "its upstream is no longer configured", this.#books.now());
    const revoked = await connectorFor(upstream).revoke({
      upstream,
      handle,
      outbound: outboundOf(context),
      readSecret: (name) => readSecret(this.#env, issuer, name),
      now: this.#books.now(),
    });
    if (revoked.ok) return { fate: "revoked", at: this.#books.now() };
    const isFinal = revoked.error.kind === "upstream_refused" || attempts + 1 >= MAX_REVOKE_ATTEMPTS;
    return isFinal ? fateWithout(lease, revoked.error.kind, this.#books.now()) : undefined;
  }
}

/** What the receipt says of a credential that could not be taken back. */
function fateWithout(lease: HeldLease, reason: string, now: number): LeaseFate {
  return lease.expires_at === undefined
    ? { fate: "failed", reason, retried_until: now }
    : { fate: "expires_at", at: lease.expires_at };
}

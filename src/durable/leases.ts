import { partsOf, type AccessUnit } from "../domain/access.ts";
import type { Credential } from "../domain/credential.ts";
import type { Grant } from "../domain/grant.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant } from "../tenancy.ts";
import type { LeaseMints, MintFault } from "./lease-mints.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import { openPart } from "./lease-seal.ts";
import type { HeldLease } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";

export type LeaseFault =
  | MintFault
  | "ended"
  /** The upstream gave less than was granted, and the call needs what it held back. */
  | "upstream_withheld";

/** How often a session's credential is made anew because the upstream refused it: an upstream may say so to anything. */
const MAX_RENEWALS = 5;

/** The upstream credentials that one session's calls are made with. */
export class Leases {
  readonly #env: Env;
  readonly #books: SessionBooks;
  readonly #mints: LeaseMints;
  readonly #returns: LeaseReturns;
  /** Calls that arrive together share one mint. */
  readonly #minting = new Map<string, Promise<Result<HeldLease, LeaseFault>>>();
  readonly #renewals = new Map<string, number>();

  constructor(env: Env, books: SessionBooks, mints: LeaseMints, returns: LeaseReturns) {
    this.#env = env;
    this.#books = books;
    this.#mints = mints;
    this.#returns = returns;
  }

  /** The credential for a call that the session has already let through, and the lease it belongs to. */
  async credentialFor(
    upstream: string,
    units: readonly AccessUnit[],
  ): Promise<Result<{ credential: Credential; lease_id: string }, LeaseFault>> {
    const state = this.#books.current();
    if (state.status !== "active") return err("ended");
    const { grant, grant_digest, superseded_leases = [] } = state;
    const held = this.#books.leases.usable(upstream, superseded_leases, this.#books.now(), grant.expires_at);
    const lease = held === undefined ? await this.#mintOnce(upstream, grant, grant_digest) : ok(held);
    if (!lease.ok) return lease;
    for (const unit of units) if (!(await this.#suffices(lease.value, unit))) return err("upstream_withheld");
    const opened = await openPart(this.#env, grant.issuer, lease.value, "credential");
    // Opening awaited: the session may have ended meanwhile.
    if (this.#books.current().status !== "active") return err("ended");
    if (opened === undefined) return err("upstream_misconfigured");
    return ok({ credential: JSON.parse(opened) as Credential, lease_id: lease.value.lease_id });
  }

  /** The upstream no longer takes what it gave: it died before its time, or the operator stored another key. The next call gets a new one. */
  distrust(leaseId: string): void {
    const lease = this.#books.leases.get(leaseId);
    if (lease === undefined) return;
    const renewals = this.#renewals.get(lease.upstream) ?? 0;
    if (renewals >= MAX_RENEWALS) return;
    this.#renewals.set(lease.upstream, renewals + 1);
    this.#returns.withdraw(leaseId);
  }

  /** Stops using what an upstream gave, and takes it back. What it gives from now on is another matter. */
  retire(upstream: string): void {
    this.#books.transaction(() => {
      for (const lease of this.#books.leases.held())
        if (lease.upstream === upstream) this.#returns.withdraw(lease.lease_id);
    });
  }

  #mintOnce(upstream: string, grant: Grant, grantDigest: string): Promise<Result<HeldLease, LeaseFault>> {
    // One for less, begun before more was granted, serves nobody who asks now.
    const about = `${upstream} ${grantDigest}`;
    let minting = this.#minting.get(about);
    if (minting === undefined) {
      minting = this.#mints.mint(upstream, grant).finally(() => this.#minting.delete(about));
      this.#minting.set(about, minting);
    }
    return minting;
  }

  /** Whether what the upstream gave covers what the operation needs. */
  async #suffices({ upstream, scopes }: HeldLease, unit: AccessUnit): Promise<boolean> {
    if (scopes === undefined) return true;
    const { tenant } = await loadTenant(this.#env, this.#books.store.setting().issuer);
    const parts = partsOf(unit);
    const operations = tenant.upstreams.get(upstream)?.catalogue.operations ?? {};
    const needed = parts.kind === "operation" ? (operations[parts.operation]?.scopes ?? []) : [];
    const isCovered = needed.every((scope) => scopes.includes(scope));
    if (!isCovered) this.#books.transaction(() => this.#books.refuse({ reason: "upstream_withheld", upstream, unit }));
    return isCovered;
  }
}

import { connectorFor } from "../connectors/index.ts";
import type { ConnectorFault, Credential } from "../connectors/connector.ts";
import { newId } from "../crypto/random.ts";
import { seal } from "../crypto/seal.ts";
import type { UpstreamAccess } from "../domain/access.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, openSealed, outboundOf, readSecret, type TenantContext } from "../tenancy.ts";
import type { HeldLease } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";

export type LeaseFault = "ended" | "upstream_unavailable" | "upstream_refused" | "upstream_misconfigured";

/** How often taking a credential back is tried before the receipt says that it failed. */
const MAX_REVOKE_ATTEMPTS = 8;
/** A session mints no oftener than this for one upstream because that refuses what it gave, in seconds. */
const MIN_LEASE_SECONDS = 60;

/**
 * The upstream credentials of one session: reserve (transaction) → ask the upstream → hold
 * (transaction, the session looked at again). A credential that arrives after the end is taken back
 * at once and never used.
 */
export class Leases {
  readonly #env: Env;
  readonly #storage: DurableObjectStorage;
  readonly #books: SessionBooks;
  /** Calls that arrive together share one mint. */
  readonly #minting = new Map<string, Promise<Result<HeldLease, LeaseFault>>>();
  /** Leases that serve no further call while they wait to be taken back. If this is forgotten, the upstream refuses once more. */
  readonly #distrusted = new Set<string>();

  constructor(env: Env, storage: DurableObjectStorage, books: SessionBooks) {
    this.#env = env;
    this.#storage = storage;
    this.#books = books;
  }

  /** The credential for a call that the session has already let through, and the lease it belongs to. */
  async credentialFor(
    upstream: string,
    grant: Grant,
  ): Promise<Result<{ credential: Credential; lease_id: string }, LeaseFault>> {
    const held = this.#books.leases.usable(upstream, this.#books.now());
    const isGood = held !== undefined && !this.#distrusted.has(held.lease_id);
    const lease = !isGood ? await this.#mintOnce(upstream, grant) : ok(held);
    if (!lease.ok) return lease;
    const opened = await this.#open(lease.value, "credential");
    // Opening awaited: the session may have ended meanwhile.
    if (this.#books.current().status !== "active") return err("ended");
    if (opened === undefined) return err("upstream_misconfigured");
    return ok({ credential: JSON.parse(opened) as Credential, lease_id: lease.value.lease_id });
  }

  /**
   * The upstream no longer takes a credential: the next call mints anew. Not one that was minted just
   * now: an upstream that refuses everything is not asked for another at every call.
   */
  distrust(leaseId: string): void {
    const lease = this.#books.leases.get(leaseId);
    const now = this.#books.now();
    if (lease === undefined || lease.minted_at + MIN_LEASE_SECONDS > now) return;
    this.#distrusted.add(leaseId);
    this.#books.queueRevocation(leaseId);
  }

  /** Takes a lease back at its upstream. Answers what became of it, or undefined to try again later. */
  async takeBack(leaseId: string, attempts: number): Promise<LeaseFate | undefined> {
    const lease = this.#books.leases.get(leaseId);
    if (lease === undefined) return undefined;
    if (lease.ends === "irrevocable") return { fate: "irrevocable" };
    if (lease.ends === "expires") return { fate: "expires_at", at: lease.expires_at ?? 0 };
    const context = await this.#context();
    const upstream = context.tenant.upstreams.get(lease.upstream);
    const handle = await this.#open(lease, "handle");
    if (upstream === undefined || handle === undefined)
      return fateWithout(lease, "its upstream is no longer configured");
    const revoked = await connectorFor(upstream.upstream).revoke({
      upstream: upstream.upstream,
      handle,
      outbound: outboundOf(context),
      readSecret: (name) => readSecret(this.#env, context.issuer, name),
      now: this.#books.now(),
    });
    if (revoked.ok) return { fate: "revoked", at: this.#books.now() };
    const isFinal = revoked.error.kind === "upstream_refused" || attempts + 1 >= MAX_REVOKE_ATTEMPTS;
    return isFinal ? fateWithout(lease, revoked.error.kind) : undefined;
  }

  #mintOnce(upstream: string, grant: Grant): Promise<Result<HeldLease, LeaseFault>> {
    let minting = this.#minting.get(upstream);
    if (minting === undefined) {
      minting = this.#mint(upstream, grant).finally(() => this.#minting.delete(upstream));
      this.#minting.set(upstream, minting);
    }
    return minting;
  }

  async #mint(upstreamId: string, grant: Grant): Promise<Result<HeldLease, LeaseFault>> {
    const leaseId = newId(ID_PREFIXES.lease);
    this.#storage.transactionSync(() => {
      this.#books.leases.reserve(leaseId, upstreamId, this.#books.now());
      this.#books.record("lease.reserved", { lease_id: leaseId, upstream: upstreamId });
    });
    const context = await this.#context();
    const configured = context.tenant.upstreams.get(upstreamId);
    if (configured === undefined) return this.#giveUp(leaseId, "upstream_misconfigured");
    const minted = await connectorFor(configured.upstream).mint({
      upstream: configured.upstream,
      catalogue: configured.catalogue,
      access: accessTo(configured, grant),
      outbound: outboundOf(context),
      readSecret: (name) => readSecret(this.#env, context.issuer, name),
      now: this.#books.now(),
      notAfter: grant.expires_at,
    });
    if (!minted.ok) return this.#giveUp(leaseId, faultOf(minted.error));
    const lease: HeldLease = {
      lease_id: leaseId,
      upstream: upstreamId,
      sealed_credential: await this.#seal(upstreamId, leaseId, "credential", JSON.stringify(minted.value.credential)),
      sealed_handle: await this.#seal(upstreamId, leaseId, "handle", minted.value.handle),
      ends: minted.value.ends,
      expires_at: minted.value.expiresAt,
      minted_at: this.#books.now(),
    };
    const alive = this.#storage.transactionSync(() => {
      this.#books.leases.hold(lease);
      const { ends, expires_at } = lease;
      this.#books.record("lease.minted", { lease_id: leaseId, upstream: upstreamId, ends, expires_at });
      return this.#books.current().status === "active";
    });
    if (alive) return ok(lease);
    await this.#closeAfterEnd(leaseId);
    return err("ended");
  }

  /** The session ended while the upstream was minting: what came of it is taken back here and now, or by the next alarm. */
  async #closeAfterEnd(leaseId: string): Promise<void> {
    const fate = await this.takeBack(leaseId, 0);
    if (fate !== undefined) this.close(leaseId, fate);
    else this.#books.queueRevocation(leaseId);
  }

  /** Records a lease's fate. */
  close(leaseId: string, fate: LeaseFate): void {
    this.#storage.transactionSync(() => {
      if (this.#books.leases.get(leaseId) === undefined) return;
      this.#books.leases.close(leaseId, fate);
      this.#books.record("lease.closed", { lease_id: leaseId, fate: fate.fate });
    });
  }

  #giveUp(leaseId: string, fault: LeaseFault): Result<never, LeaseFault> {
    this.#storage.transactionSync(() => {
      this.#books.leases.release(leaseId);
      this.#books.record("lease.failed", { lease_id: leaseId, reason: fault });
    });
    return err(fault);
  }

  #context(): Promise<TenantContext> {
    return loadTenant(this.#env, this.#books.store.setting().issuer);
  }

  async #seal(upstream: string, leaseId: string, part: string, plaintext: string): Promise<string> {
    const { vault, issuer } = await this.#context();
    return seal(vault, { issuer, kind: "lease", name: `${upstream} ${leaseId} ${part}` }, plaintext);
  }

  async #open(lease: HeldLease, part: "credential" | "handle"): Promise<string | undefined> {
    const { issuer } = this.#books.store.setting();
    const sealed = part === "credential" ? lease.sealed_credential : lease.sealed_handle;
    const name = `${lease.upstream} ${lease.lease_id} ${part}`;
    return openSealed(this.#env, { issuer, kind: "lease", name }, sealed);
  }
}

/** All that the session was granted at this upstream: one credential serves the whole session. */
function accessTo({ upstream }: CompiledUpstream, grant: Grant): UpstreamAccess[] {
  return grant.authorization_details.filter(
    (detail) => detail.type === "upstream_access" && detail.upstream === upstream.id,
  ) as UpstreamAccess[];
}

function faultOf(fault: ConnectorFault): LeaseFault {
  switch (fault.kind) {
    case "upstream_unavailable":
      return "upstream_unavailable";
    case "upstream_refused":
      return "upstream_refused";
    case "misconfigured":
      return "upstream_misconfigured";
  }
}

/** What the receipt says of a credential that could not be taken back. */
function fateWithout(lease: HeldLease, reason: string): LeaseFate {
  return lease.expires_at === undefined ? { fate: "failed", reason } : { fate: "expires_at", at: lease.expires_at };
}

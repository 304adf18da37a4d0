import { connectorFor } from "../connectors/index.ts";
import type { ConnectorFault, Credential } from "../connectors/connector.ts";
import { newId } from "../crypto/random.ts";
import { seal, unseal } from "../crypto/seal.ts";
import type { UpstreamAccess } from "../domain/access.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, outboundOf, readSecret, type TenantContext } from "../tenancy.ts";
import type { HeldLease } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";

export type LeaseFault = "ended" | "upstream_unavailable" | "upstream_refused" | "upstream_misconfigured";

/** How often taking a credential back is tried before the receipt says that it failed. */
const MAX_REVOKE_ATTEMPTS = 8;

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

  constructor(env: Env, storage: DurableObjectStorage, books: SessionBooks) {
    this.#env = env;
    this.#storage = storage;
    this.#books = books;
  }

  /** The credential for a call that the session has already let through. */
  async credentialFor(upstream: string): Promise<Result<Credential, LeaseFault>> {
    const state = this.#books.current();
    if (state.status !== "active") return err("ended");
    const { grant, grant_digest, superseded_leases = [] } = state;
    const held = this.#books.leases.usable(upstream, superseded_leases, this.#books.now());
    const lease = held === undefined ? await this.#mintOnce(upstream, grant, grant_digest) : ok(held);
    if (!lease.ok) return lease;
    const opened = await this.#open(lease.value, "credential");
    // Opening awaited: the session may have ended meanwhile.
    if (this.#books.current().status !== "active") return err("ended");
    return opened === undefined ? err("upstream_misconfigured") : ok(JSON.parse(opened) as Credential);
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

  #mintOnce(upstream: string, grant: Grant, grantDigest: string): Promise<Result<HeldLease, LeaseFault>> {
    // One for less, begun before more was granted, serves nobody who asks now.
    const about = `${upstream} ${grantDigest}`;
    let minting = this.#minting.get(about);
    if (minting === undefined) {
      minting = this.#mint(upstream, grant).finally(() => this.#minting.delete(about));
      this.#minting.set(about, minting);
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
      sealed_credential: await this.#seal(leaseId, "credential", JSON.stringify(minted.value.credential)),
      sealed_handle: await this.#seal(leaseId, "handle", minted.value.handle),
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

  async #seal(leaseId: string, part: string, plaintext: string): Promise<string> {
    const { config, issuer } = await this.#context();
    return seal(config.kek, { issuer, kind: "lease", name: `${leaseId} ${part}` }, plaintext);
  }

  async #open(lease: HeldLease, part: "credential" | "handle"): Promise<string | undefined> {
    const { config, issuer } = await this.#context();
    const sealed = part === "credential" ? lease.sealed_credential : lease.sealed_handle;
    return unseal(config.kek, { issuer, kind: "lease", name: `${lease.lease_id} ${part}` }, sealed);
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

import { connectorFor } from "../connectors/index.ts";
import type { ConnectorFault, Description, Minted } from "../connectors/connector.ts";
import { newId } from "../crypto/random.ts";
import type { AccessUnit } from "../domain/access.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Credential } from "../domain/credential.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, type TenantContext } from "../tenancy.ts";
import { askUpstream } from "./lease-mint.ts";
import { returnLease } from "./lease-return.ts";
import { openPart, sealPart } from "./lease-seal.ts";
import { MINT_LOST_AFTER_SECONDS, type HeldLease, type Reservation } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";
import { UpstreamRests } from "./upstream-rests.ts";

export type LeaseFault =
  | "ended"
  | "upstream_unavailable"
  | "upstream_refused"
  | "upstream_broken"
  | "not_linked"
  | "upstream_misconfigured"
  /** The upstream gave less than was granted, and the call needs what it held back. */
  | "upstream_withheld";

/** How often a session's credential is made anew because the upstream refused it: an upstream may say so to anything. */
const MAX_RENEWALS = 5;

/**
 * The upstream credentials of one session: reserve (transaction) → ask the upstream → hold
 * (transaction, the session looked at again). A credential that arrives after the end is taken back
 * at once and never used.
 */
export class Leases {
  readonly #env: Env;
  readonly #books: SessionBooks;
  /** Calls that arrive together share one mint. */
  readonly #minting = new Map<string, Promise<Result<HeldLease, LeaseFault>>>();
  readonly #rests = new UpstreamRests();
  readonly #renewals = new Map<string, number>();

  constructor(env: Env, books: SessionBooks) {
    this.#env = env;
    this.#books = books;
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
    this.#withdraw(leaseId);
  }

  #withdraw(leaseId: string): void {
    this.#books.leases.withdraw(leaseId);
    this.#books.queueRevocation(leaseId);
  }

  /** Takes a lease back at its upstream. Answers what became of it, or undefined to try again later. */
  async takeBack(leaseId: string, attempts: number): Promise<LeaseFate | undefined> {
    const lease = this.#books.leases.get(leaseId);
    if (lease === undefined) return undefined;
    return returnLease(lease, {
      env: this.#env,
      context: () => this.#context(),
      attempts,
      now: () => this.#books.now(),
    });
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
    const resting = this.restingAt(upstreamId);
    if (resting !== undefined) return err(resting);
    const context = await this.#context();
    const reservation = this.#books.transaction(() => this.reserve(upstreamId, context));
    const minted = await this.mintReserved(reservation, grant, context);
    return minted.ok ? ok(minted.value.lease) : minted;
  }

  /** What is said of an upstream that is left alone for a while. */
  restingAt(upstream: string): LeaseFault | undefined {
    return this.#rests.at(upstream, this.#books.now());
  }

  /** Writes down, in the caller's transaction, that a credential is about to be asked for. */
  reserve(upstreamId: string, context: TenantContext, forServer?: string): Reservation {
    const configured = context.tenant.upstreams.get(upstreamId);
    const now = this.#books.now();
    const { orphans, longestSeconds } = configured === undefined ? NOTHING : describe(configured);
    const endsBy = longestSeconds === undefined ? undefined : now + longestSeconds + MINT_LOST_AFTER_SECONDS;
    const leaseId = newId(ID_PREFIXES.lease);
    const reservation = { leaseId, upstream: upstreamId, now, orphans, endsBy, forServer };
    this.#books.leases.reserve(reservation);
    this.#books.record("lease.reserved", { lease_id: leaseId, upstream: upstreamId });
    return reservation;
  }

  /** Asks the upstream for what was reserved. A credential that is to be handed out is kept for nobody's call. */
  async mintReserved(
    { leaseId, upstream: upstreamId, endsBy, forServer }: Reservation,
    grant: Grant,
    context: TenantContext,
  ): Promise<Result<{ lease: HeldLease; credential: Credential }, LeaseFault>> {
    const configured = context.tenant.upstreams.get(upstreamId);
    if (configured === undefined) return this.#giveUp(leaseId, upstreamId, "upstream_misconfigured");
    const minted = await askUpstream(configured, {
      env: this.#env,
      context,
      grant,
      user: this.#books.current().request.user,
      now: this.#books.now(),
    });
    if (!minted.ok) return this.#failed({ leaseId, upstream: upstreamId, endsBy }, minted.error);
    this.#rests.end(upstreamId);
    const lease = await this.#hold(leaseId, upstreamId, minted.value, forServer === undefined ? "calls" : "hand_out");
    if (this.#books.current().status === "active") return ok({ lease, credential: minted.value.credential });
    await this.takeBackNow(leaseId);
    return err("ended");
  }

  /** Stops using what an upstream gave, and takes it back. What it gives from now on is another matter. */
  retire(upstream: string): void {
    this.#books.transaction(() => {
      for (const lease of this.#books.leases.held()) if (lease.upstream === upstream) this.#withdraw(lease.lease_id);
    });
  }

  /** Writes down what the upstream gave, as soon as it did: nothing is asked of anybody in between. */
  async #hold(
    leaseId: string,
    upstream: string,
    { credential, handle, ends, expiresAt, scopes }: Minted,
    use: "calls" | "hand_out" | "none" = "calls",
  ): Promise<HeldLease> {
    const named = { lease_id: leaseId, upstream };
    const context = await this.#context();
    const lease: HeldLease = {
      ...named,
      sealed_credential:
        use === "calls" ? await sealPart(context, named, "credential", JSON.stringify(credential)) : undefined,
      sealed_handle: await sealPart(context, named, "handle", handle),
      ends,
      expires_at: expiresAt,
      minted_at: this.#books.now(),
      scopes,
    };
    this.#books.transaction(() => {
      this.#books.leases.hold(lease);
      this.#books.record("lease.minted", {
        lease_id: leaseId,
        upstream,
        ends,
        expires_at: expiresAt,
        scopes,
        ...(use === "none" ? { too_wide: true } : {}),
      });
      if (use === "none") this.#books.queueRevocation(leaseId);
    });
    return lease;
  }

  async #failed(
    { leaseId, upstream, endsBy }: Pick<Reservation, "leaseId" | "upstream" | "endsBy">,
    fault: ConnectorFault,
  ): Promise<Result<never, LeaseFault>> {
    switch (fault.kind) {
      case "answer_lost":
        this.close(leaseId, { fate: "unknown", ...(endsBy === undefined ? {} : { ends_by: endsBy }) });
        return this.#rest(upstream, "upstream_unavailable");
      case "too_wide":
        await this.#hold(leaseId, upstream, fault.minted, "none");
        await this.takeBackNow(leaseId);
        return this.#rest(upstream, "upstream_refused");
      case "upstream_unavailable":
      case "upstream_refused":
      case "upstream_broken":
      case "not_linked":
        return this.#giveUp(leaseId, upstream, fault.kind);
      case "misconfigured":
        return this.#giveUp(leaseId, upstream, "upstream_misconfigured");
    }
  }

  #rest(upstream: string, fault: LeaseFault): Result<never, LeaseFault> {
    this.#rests.begin(upstream, fault, this.#books.now());
    return err(fault);
  }

  /** Whether what the upstream gave covers what the operation needs. */
  async #suffices({ upstream, scopes }: HeldLease, unit: AccessUnit): Promise<boolean> {
    if (scopes === undefined) return true;
    const { tenant } = await this.#context();
    const operation = unit.slice(upstream.length + 1).split("@", 1)[0] ?? "";
    const needed = tenant.upstreams.get(upstream)?.catalogue.operations[operation]?.scopes ?? [];
    const isCovered = needed.every((scope) => scopes.includes(scope));
    if (!isCovered) this.#books.transaction(() => this.#books.refuse({ reason: "upstream_withheld", upstream, unit }));
    return isCovered;
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

  #giveUp(leaseId: string, upstream: string, fault: LeaseFault): Result<never, LeaseFault> {
    this.#books.transaction(() => {
      this.#books.leases.release(leaseId);
      this.#books.record("lease.failed", { lease_id: leaseId, reason: fault });
    });
    return this.#rest(upstream, fault);
  }

  #context(): Promise<TenantContext> {
    return loadTenant(this.#env, this.#books.store.setting().issuer);
  }
}

const NOTHING = { orphans: "none", longestSeconds: undefined } as const;

function describe({ upstream }: CompiledUpstream): Description {
  return connectorFor(upstream).describe(upstream);
}

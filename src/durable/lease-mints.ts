import type { ConnectorFault, Description, Minted } from "../connectors/connector.ts";
import { connectorFor } from "../connectors/index.ts";
import { newId } from "../crypto/random.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Credential } from "../domain/credential.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, type TenantContext } from "../tenancy.ts";
import { askUpstream } from "./lease-ask.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import { sealPart } from "./lease-seal.ts";
import { MINT_LOST_AFTER_SECONDS, type HeldLease, type Reservation } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";
import { UpstreamRests } from "./upstream-rests.ts";

/** Why an upstream gives no credential. */
export type MintFault =
  | "upstream_unavailable"
  | "upstream_refused"
  | "upstream_broken"
  | "not_linked"
  | "upstream_misconfigured";

/** A credential that is here, and the lease that holds it. */
export interface MintedLease {
  readonly lease: HeldLease;
  readonly credential: Credential;
}

/** What a credential is for: the calls of the session, a server that it is handed to, or nothing but to be taken back. */
type Use = "calls" | "hand_out" | "none";

/**
 * How a session gets a credential from an upstream: reserve (transaction) → ask the upstream → hold
 * (transaction, the session looked at again). One that arrives after the end is taken back at once and
 * never used.
 */
export class LeaseMints {
  readonly #env: Env;
  readonly #books: SessionBooks;
  readonly #returns: LeaseReturns;
  readonly #rests = new UpstreamRests();

  constructor(env: Env, books: SessionBooks, returns: LeaseReturns) {
    this.#env = env;
    this.#books = books;
    this.#returns = returns;
  }

  /** Reserves and asks, for the session's own calls. */
  async mint(upstreamId: string, grant: Grant): Promise<Result<HeldLease, MintFault | "ended">> {
    const resting = this.restingAt(upstreamId);
    if (resting !== undefined) return err(resting);
    const context = await this.#context();
    const reservation = this.#books.transaction(() => this.reserve(upstreamId, context));
    const minted = await this.mintReserved(reservation, grant, context);
    return minted.ok ? ok(minted.value.lease) : minted;
  }

  /** What is said of an upstream that is left alone for a while. */
  restingAt(upstream: string): MintFault | undefined {
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
    reservation: Reservation,
    grant: Grant,
    context: TenantContext,
  ): Promise<Result<MintedLease, MintFault | "ended">> {
    const { leaseId, upstream, forServer } = reservation;
    const configured = context.tenant.upstreams.get(upstream);
    if (configured === undefined) return this.#giveUp(reservation, "upstream_misconfigured");
    const minted = await askUpstream(configured, {
      env: this.#env,
      context,
      grant,
      user: this.#books.current().request.user,
      now: this.#books.now(),
    });
    if (!minted.ok) return this.#failed(reservation, minted.error);
    this.#rests.end(upstream);
    const lease = await this.#hold(reservation, minted.value, forServer === undefined ? "calls" : "hand_out");
    if (this.#books.current().status === "active") return ok({ lease, credential: minted.value.credential });
    await this.#returns.takeBackNow(leaseId);
    return err("ended");
  }

  /** Writes down what the upstream gave, as soon as it did: nothing is asked of anybody in between. */
  async #hold(
    { leaseId, upstream }: Reservation,
    { credential, handle, ends, expiresAt, scopes }: Minted,
    use: Use,
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
      const tooWide = use === "none" ? { too_wide: true } : {};
      this.#books.record("lease.minted", { ...named, ends, expires_at: expiresAt, scopes, ...tooWide });
      if (use === "none") this.#books.queueRevocation(leaseId);
    });
    return lease;
  }

  async #failed(reservation: Reservation, fault: ConnectorFault): Promise<Result<never, MintFault>> {
    const { leaseId, upstream, endsBy } = reservation;
    switch (fault.kind) {
      case "answer_lost":
        this.#returns.close(leaseId, { fate: "unknown", ...(endsBy === undefined ? {} : { ends_by: endsBy }) });
        return this.#rest(upstream, "upstream_unavailable");
      case "too_wide":
        await this.#hold(reservation, fault.minted, "none");
        await this.#returns.takeBackNow(leaseId);
        return this.#rest(upstream, "upstream_refused");
      case "upstream_unavailable":
      case "upstream_refused":
      case "upstream_broken":
      case "not_linked":
        return this.#giveUp(reservation, fault.kind);
      case "misconfigured":
        return this.#giveUp(reservation, "upstream_misconfigured");
    }
  }

  #giveUp({ leaseId, upstream }: Reservation, fault: MintFault): Result<never, MintFault> {
    this.#books.transaction(() => {
      this.#books.leases.release(leaseId);
      this.#books.record("lease.failed", { lease_id: leaseId, reason: fault });
    });
    return this.#rest(upstream, fault);
  }

  #rest(upstream: string, fault: MintFault): Result<never, MintFault> {
    this.#rests.begin(upstream, fault, this.#books.now());
    return err(fault);
  }

  #context(): Promise<TenantContext> {
    return loadTenant(this.#env, this.#books.store.setting().issuer);
  }
}

const NOTHING = { orphans: "none", longestSeconds: undefined } as const;

function describe({ upstream }: CompiledUpstream): Description {
  return connectorFor(upstream).describe(upstream);
}

import { connectorFor } from "../connectors/index.ts";
import type { ConnectorFault, Description, IssuedToken, Minted } from "../connectors/connector.ts";
import { newId } from "../crypto/random.ts";
import { seal } from "../crypto/seal.ts";
import { signToken } from "../crypto/signing-key.ts";
import type { AccessUnit, UpstreamAccess } from "../domain/access.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Credential } from "../domain/credential.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_PREFIXES, objectName } from "../domain/ids.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import type { LeaseFate } from "../domain/receipt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, openSealed, outboundOf, readSecret, signingKey, type TenantContext } from "../tenancy.ts";
import { MINT_LOST_AFTER_SECONDS, type HeldLease, type Reservation } from "./lease-store.ts";
import type { SessionBooks } from "./session-books.ts";

export type LeaseFault =
  | "ended"
  | "upstream_unavailable"
  | "upstream_refused"
  | "upstream_broken"
  | "not_linked"
  | "upstream_misconfigured"
  /** The upstream gave less than was granted, and the call needs what it held back. */
  | "upstream_withheld";

/** How often taking a credential back is tried before the receipt says that it failed. */
const MAX_REVOKE_ATTEMPTS = 8;
/** How long an upstream that could not mint is left alone, in seconds; doubled with each failure. */
const FIRST_REST_SECONDS = 2;
const LONGEST_REST_SECONDS = 60;
/** What a human mends is tried again at once after the first failure: it may be mended by now. */
const MENDED_BY_HUMANS: readonly LeaseFault[] = ["upstream_misconfigured", "upstream_broken", "not_linked"];

/** An upstream that is left alone, and what is said of it meanwhile. */
interface Rest {
  /** Epoch seconds. */
  readonly until: number;
  readonly seconds: number;
  readonly fault: LeaseFault;
}
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
  /** Upstreams that could not mint, so that an agent that goes on calling makes Stint neither ask nor write any more. */
  readonly #resting = new Map<string, Rest>();
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
    const opened = await this.#open(lease.value, "credential");
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
    if (lease.ends === "irrevocable") return { fate: "irrevocable" };
    if (lease.ends === "expires") return { fate: "expires_at", at: lease.expires_at ?? 0 };
    const context = await this.#context();
    const upstream = context.tenant.upstreams.get(lease.upstream);
    const handle = await this.#open(lease, "handle");
    if (upstream === undefined || handle === undefined)
      return fateWithout(lease, "its upstream is no longer configured", this.#books.now());
    const revoked = await connectorFor(upstream.upstream).revoke({
      upstream: upstream.upstream,
      handle,
      outbound: outboundOf(context),
      readSecret: (name) => readSecret(this.#env, context.issuer, name),
      now: this.#books.now(),
    });
    if (revoked.ok) return { fate: "revoked", at: this.#books.now() };
    const isFinal = revoked.error.kind === "upstream_refused" || attempts + 1 >= MAX_REVOKE_ATTEMPTS;
    return isFinal ? fateWithout(lease, revoked.error.kind, this.#books.now()) : undefined;
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
    const rest = this.#resting.get(upstream);
    return rest !== undefined && rest.until > this.#books.now() ? rest.fault : undefined;
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
    const minted = await this.#ask(configured, grant, context);
    if (!minted.ok) return this.#failed({ leaseId, upstream: upstreamId, endsBy }, minted.error);
    this.#resting.delete(upstreamId);
    const lease = await this.#hold(leaseId, upstreamId, minted.value, forServer === undefined ? "calls" : "hand_out");
    if (this.#books.current().status === "active") return ok({ lease, credential: minted.value.credential });
    await this.takeBackNow(leaseId);
    return err("ended");
  }

  #ask({ upstream, catalogue }: CompiledUpstream, grant: Grant, context: TenantContext) {
    const { issuer, session_id, client_id, sub, expires_at } = grant;
    const tenant = this.#env.TENANT.getByName(objectName(context.issuer));
    return connectorFor(upstream).mint({
      upstream,
      catalogue,
      access: accessTo(upstream.id, grant),
      session: { issuer, session_id, client_id, sub, expires_at },
      outbound: outboundOf(context),
      readSecret: (name) => readSecret(this.#env, context.issuer, name),
      signAsStint: (claims) => signToken(signingKey(context, "upstream_token"), claims),
      draw: (source, scope) => this.#draw(source, scope, grant),
      refresh: (source, scope) => tenant.refreshAccess(source, scope).catch(() => err({ kind: "answer_lost" })),
      now: this.#books.now(),
    });
  }

  /** By the account of the person whom the request named, and nobody else's: an agent's own id is no person. */
  async #draw(
    upstream: LinkedUpstream,
    scope: string,
    { issuer, expires_at }: Grant,
  ): Promise<Result<IssuedToken, ConnectorFault>> {
    const { user, session_id } = this.#books.current().request;
    if (user === undefined) return err({ kind: "not_linked" });
    const person = this.#env.PERSON.getByName(objectName(issuer, user));
    const session = { session_id, expires_at };
    return person
      .drawFromAccount({ identity: { issuer, person: user }, upstream, scope, session })
      .catch(() => err({ kind: "answer_lost" }));
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
    const lease: HeldLease = {
      lease_id: leaseId,
      upstream,
      sealed_credential:
        use === "calls" ? await this.#seal(upstream, leaseId, "credential", JSON.stringify(credential)) : undefined,
      sealed_handle: await this.#seal(upstream, leaseId, "handle", handle),
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
    const before = this.#resting.get(upstream);
    const first = MENDED_BY_HUMANS.includes(fault) ? 0 : FIRST_REST_SECONDS;
    const seconds = before === undefined ? first : Math.min(Math.max(1, before.seconds * 2), LONGEST_REST_SECONDS);
    this.#resting.set(upstream, { until: this.#books.now() + seconds, seconds, fault });
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

  async #seal(upstream: string, leaseId: string, part: string, plaintext: string): Promise<string> {
    const { vault, issuer } = await this.#context();
    return seal(vault, { issuer, kind: "lease", name: `${upstream} ${leaseId} ${part}` }, plaintext);
  }

  async #open(lease: HeldLease, part: "credential" | "handle"): Promise<string | undefined> {
    const { issuer } = this.#books.store.setting();
    const sealed = part === "credential" ? lease.sealed_credential : lease.sealed_handle;
    const name = `${lease.upstream} ${lease.lease_id} ${part}`;
    return sealed === undefined ? undefined : openSealed(this.#env, { issuer, kind: "lease", name }, sealed);
  }
}

const NOTHING = { orphans: "none", longestSeconds: undefined } as const;

function describe({ upstream }: CompiledUpstream): Description {
  return connectorFor(upstream).describe(upstream);
}

/** All that the session was granted at this upstream: one credential serves the whole session. */
function accessTo(upstream: string, grant: Grant): UpstreamAccess[] {
  return grant.authorization_details.filter(
    (detail) => detail.type === "upstream_access" && detail.upstream === upstream,
  ) as UpstreamAccess[];
}

/** What the receipt says of a credential that could not be taken back. */
function fateWithout(lease: HeldLease, reason: string, now: number): LeaseFate {
  return lease.expires_at === undefined
    ? { fate: "failed", reason, retried_until: now }
    : { fate: "expires_at", at: lease.expires_at };
}

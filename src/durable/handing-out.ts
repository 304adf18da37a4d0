import { encrypterTo } from "../crypto/jwe.ts";
import type { AccessDetail } from "../domain/access.ts";
import type { Grant } from "../domain/grant.ts";
import { MAX_HAND_OUTS, planHandOut, type HandOutFault, type PossibleHandOut } from "../domain/hand-out.ts";
import { compilePatterns } from "../domain/pattern.ts";
import { limitsNow } from "../domain/policy.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { loadTenant, narrowingAt, type TenantContext } from "../tenancy.ts";
import type { HeldLease, Reservation } from "./lease-store.ts";
import type { LeaseMints, MintFault } from "./lease-mints.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import type { SessionBooks } from "./session-books.ts";
import type { HandOutCommand, UseFault } from "./session-commands.ts";

/** What kind of JWE it is; its payload is a claims set, RFC 7519. */
const HANDED_OUT_TYPE = "stint-upstream-token+jwt";

export interface HandedOut {
  /** A compact JWE to the server's key. */
  readonly token: string;
  /** Seconds, where it is known when the upstream's token ends. */
  readonly expires_in: number | undefined;
  readonly authorization_details: readonly AccessDetail[];
}

export type HandingOutFault = UseFault | HandOutFault | MintFault;

/** What was decided and written down before the upstream is asked. */
interface Planned {
  readonly reservation: Reservation;
  readonly grant: Grant;
}

/**
 * Gives a server an upstream's own token: judge and reserve (transaction) → ask the upstream → encrypt
 * to the server → record that it leaves (transaction, the session looked at again). The credential is a
 * lease as any other and dies with the session, but serves no call of the proxy's.
 */
export class HandingOut {
  readonly #env: Env;
  readonly #books: SessionBooks;
  readonly #mints: LeaseMints;
  readonly #returns: LeaseReturns;

  constructor(env: Env, books: SessionBooks, mints: LeaseMints, returns: LeaseReturns) {
    this.#env = env;
    this.#books = books;
    this.#mints = mints;
    this.#returns = returns;
  }

  async handOut(command: HandOutCommand): Promise<Result<HandedOut, HandingOutFault>> {
    const context = await loadTenant(this.#env, this.#books.store.setting().issuer);
    const key = context.tenant.servers.get(command.server)?.encryption_key;
    const encrypt = key === undefined ? undefined : await encrypterTo(key, HANDED_OUT_TYPE);
    const planned = this.#books.transaction(() => this.#plan(command, context, encrypt !== undefined));
    if (!planned.ok) return planned;
    const { reservation, grant } = planned.value;
    const minted = await this.#mints.mintReserved(reservation, grant, context);
    if (!minted.ok) return minted;
    const { lease, credential } = minted.value;
    if (credential.kind !== "header" || !this.#endsAsShown(command, lease) || encrypt === undefined)
      return this.#keep(command, lease, "not_fit_to_leave");
    const now = this.#books.now();
    const expiresAt = endOf(lease, grant.expires_at);
    const token = await encrypt({
      ...aboutLease(context, command.server, lease),
      iat: now,
      ...(expiresAt === undefined ? {} : { exp: expiresAt }),
      header: credential.header,
      value: credential.value,
    });
    const recorded = this.#books.transaction(() => this.#record(command, lease, expiresAt));
    if (!recorded.ok) return this.#keep(command, lease, recorded.error);
    const { authorization_details } = grant;
    return ok({ token, expires_in: expiresAt === undefined ? undefined : expiresAt - now, authorization_details });
  }

  #shown(): readonly PossibleHandOut[] {
    return this.#books.store.setting().labels.hand_outs ?? [];
  }

  #plan(command: HandOutCommand, context: TenantContext, canEncrypt: boolean): Result<Planned, HandingOutFault> {
    const used = this.#books.use(command);
    if (!used.ok) return used;
    const { grant } = used.value;
    const { ask, server: id, standing } = command;
    if (ask.target.kind !== "upstream") return this.#refuse(command, "invalid_target");
    const upstream = ask.target.id;
    const plan = planHandOut(
      grant,
      ask,
      {
        server: context.tenant.servers.get(id),
        shown: this.#shown(),
        allowedNow: compilePatterns(standing.allow),
        limitsNow: (unit) => limitsNow(context.tenant, grant.client_id, unit),
      },
      this.#books.now(),
    );
    if (!plan.ok) return this.#refuse(command, plan.error);
    const { authorization_details } = plan.value;
    if (!isNarrowed(context, upstream, authorization_details)) return this.#refuse(command, "not_narrowed");
    if (!canEncrypt) return this.#refuse(command, "not_handed_out");
    if (this.#books.leases.toHandOut(upstream) >= MAX_HAND_OUTS) return this.#refuse(command, "too_many_hand_outs");
    const resting = this.#mints.restingAt(upstream);
    if (resting !== undefined) return err(resting);
    const reservation = this.#mints.reserve(upstream, context, id);
    return ok({ reservation, grant: { ...grant, authorization_details } });
  }

  /** A token that never ends must not leave, nor one that lives on where the approver was told that it is taken back. */
  #endsAsShown({ server }: HandOutCommand, { ends, upstream }: HeldLease): boolean {
    const saidToBeTakenBack = this.#shown().some(
      (handOut) => handOut.server === server && handOut.upstream === upstream && handOut.isTakenBack,
    );
    return ends === "revocable" || (ends === "expires" && !saidToBeTakenBack);
  }

  /** What was decided before the upstream was asked is decided again: it may be over, or taken away. */
  #record(
    { token, standing, server }: HandOutCommand,
    { lease_id, upstream }: HeldLease,
    expiresAt: number | undefined,
  ): Result<void, UseFault> {
    const live = this.#books.live(token, standing);
    if (!live.ok) return live;
    this.#books.leases.handedOut(lease_id, this.#books.now());
    this.#books.record("token.handed_out", {
      unconstrained: true,
      server,
      upstream,
      lease_id,
      jti: token.jti,
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    });
    return ok(undefined);
  }

  /** What was made and may not leave is taken back. */
  async #keep<F extends HandingOutFault>(
    command: HandOutCommand,
    lease: HeldLease,
    fault: F,
  ): Promise<Result<never, F>> {
    const refused = this.#books.transaction(() => this.#refuse(command, fault));
    await this.#returns.takeBackNow(lease.lease_id);
    return refused;
  }

  #refuse<F extends HandingOutFault>({ ask, server, token }: HandOutCommand, reason: F): Result<never, F> {
    const { audience } = ask.target;
    this.#books.refuse({ reason, audience, actor: server, jti: token.jti });
    return err(reason);
  }
}

/** Whether the upstream itself holds its token to these entries: nobody else will. */
function isNarrowed({ tenant }: TenantContext, id: string, details: readonly AccessDetail[]): boolean {
  const upstream = tenant.upstreams.get(id);
  if (upstream === undefined) return false;
  const { operations } = upstream.catalogue;
  const named = details.flatMap(({ actions }) => actions);
  return (
    narrowingAt(
      upstream,
      named.flatMap((name) => (Object.hasOwn(operations, name) ? [operations[name]!] : [])),
    ) !== "proxy"
  );
}

/** Whose it is, for whom, and where it is good. */
function aboutLease({ issuer, tenant }: TenantContext, server: string, { lease_id, upstream, scopes }: HeldLease) {
  return {
    iss: issuer,
    aud: tenant.servers.get(server)?.resource,
    lease_id,
    upstream,
    base_url: tenant.upstreams.get(upstream)?.upstream.base_url,
    ...(scopes === undefined ? {} : { scope: scopes.join(" ") }),
  };
}

/** What can be taken back ends with the session at the latest. */
function endOf({ ends, expires_at }: HeldLease, sessionEnd: number): number | undefined {
  return ends === "revocable" ? Math.min(expires_at ?? sessionEnd, sessionEnd) : expires_at;
}

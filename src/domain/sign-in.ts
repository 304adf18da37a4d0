import type { CompiledTenant } from "./compiled-tenant.ts";
import { personCutOffUntil, type CutOffs } from "./cut-off.ts";
import { parseDuration } from "./duration.ts";
import type { Identity, Person, Role, SingleSignOn } from "./tenant.ts";

/** How long a browser stays signed in, in seconds. For a decision, `sso.max_age` counts besides. */
export const SIGN_IN_SECONDS = 8 * 3600;

/** How long a sign-in with a passkey is fresh, in seconds: as a provider's is unless `sso.max_age` says another time. */
const FRESH_SECONDS = 15 * 60;

/** Who an identity provider says is there, OpenID Connect Core §2. */
export interface VerifiedIdentity extends Identity {
  /** When they proved it, epoch seconds. */
  readonly auth_time: number;
  /** How, in the provider's words. */
  readonly acr?: string | undefined;
}

/** How somebody signed in in one browser. */
export interface SignIn {
  /** Epoch seconds. */
  readonly at: number;
  readonly how: { readonly by: "passkey" } | { readonly by: "sso"; readonly identity: VerifiedIdentity };
  /** The roles it was worth: those of the document that the provider's groups bear out. */
  readonly roles: readonly Role[];
}

/** The person of an identity. An address is none: it is given to others in time, and unverified at some providers. */
export function personOf(tenant: CompiledTenant, identity: Identity): Person | undefined {
  return tenant.document.people.find((person) => hasIdentity(person, identity));
}

function hasIdentity({ identities }: Person, { issuer, subject }: Identity): boolean {
  return identities.some((identity) => identity.issuer === issuer && identity.subject === subject);
}

/** A person's roles, without those that the provider's groups do not bear out. */
export function rolesBorneOut({ roles }: Person, sso: SingleSignOn, groups: readonly string[]): Role[] {
  return roles.filter((role) => {
    const demanded = sso.roles[role];
    return demanded === undefined || demanded.some((group) => groups.includes(group));
  });
}

/** Whether a browser is still signed in as this person: by an identity that is theirs today, at today's provider. */
export function holdsStill(
  { at, how }: SignIn,
  person: Person,
  sso: SingleSignOn | undefined,
  cutOffs: CutOffs,
  now: number,
): boolean {
  const isTheirs = how.by === "passkey" || (how.identity.issuer === sso?.issuer && hasIdentity(person, how.identity));
  return isTheirs && now < at + SIGN_IN_SECONDS && at > personCutOffUntil(cutOffs, person.id);
}

/**
 * The identity that a sign-in proves well enough to approve by, if it does: fresh, by today's
 * provider, in the role in which that person decides.
 */
export function approvingIdentity(
  { how, roles }: SignIn,
  role: Role,
  sso: SingleSignOn | undefined,
  now: number,
): VerifiedIdentity | undefined {
  if (sso === undefined || how.by !== "sso" || !roles.includes(role)) return undefined;
  const { identity } = how;
  if (identity.issuer !== sso.issuer || !isAcceptable(sso, identity.acr)) return undefined;
  return now <= identity.auth_time + maxAgeSeconds(sso) ? identity : undefined;
}

/**
 * Whether a person signed in so lately that they may change who decides for them: as lately as the
 * provider must have seen them for a decision, or their passkey signed.
 */
export function isFresh({ at, how }: SignIn, sso: SingleSignOn | undefined, now: number): boolean {
  if (how.by === "sso" && sso !== undefined) return now <= how.identity.auth_time + maxAgeSeconds(sso);
  return now <= at + FRESH_SECONDS;
}

/** Whether the provider says that it looked closely enough. */
export function isAcceptable({ acr_values }: SingleSignOn, acr: string | undefined): boolean {
  return acr_values.length === 0 || (acr !== undefined && acr_values.includes(acr));
}

export function maxAgeSeconds({ max_age }: SingleSignOn): number {
  return parseDuration(max_age) ?? 0;
}

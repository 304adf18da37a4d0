import { err, ok, type Result } from "../domain/result.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import type { OneTimeClaim } from "./client-assertion.ts";
import { isJti, isPresent, isTime, peekClaims, verifyClientJwt } from "./client-jwt.ts";
import type { WireError } from "./wire-error.ts";

/** An identity assertion is fetched to be used at once. */
const MAX_LIFETIME_SECONDS = 600;

/** An Identity Assertion JWT Authorization Grant: who the enterprise says sits behind the client. */
export interface IdentityAssertion {
  readonly subject: string;
  readonly resource?: string | undefined;
  readonly scope?: string | undefined;
  readonly oneTime: OneTimeClaim;
}

/** The identity provider that an assertion says it is from, before anything is believed. */
export function claimedIssuer(assertion: string): string | undefined {
  const iss = peekClaims(assertion)?.["iss"];
  return typeof iss === "string" ? iss : undefined;
}

/**
 * Verifies an ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant §5.1, on RFC 7523 §3): by the
 * identity provider's key, for this issuer alone, for the client that presents it, once.
 */
export async function verifyIdentityAssertion(
  assertion: string,
  provider: { readonly issuer: string; readonly keys: readonly PublicJwk[] },
  expected: { readonly issuer: string; readonly clientId: string; readonly now: number },
): Promise<Result<IdentityAssertion, WireError>> {
  const claims = await verifyClientJwt(assertion, provider.keys, ["oauth-id-jag+jwt"]);
  if (claims === undefined) return err(INVALID_ASSERTION);
  const { iss, aud, client_id, sub, jti, exp, iat, resource, scope } = claims;
  if (iss !== provider.issuer || aud !== expected.issuer || client_id !== expected.clientId)
    return err(INVALID_ASSERTION);
  if (typeof sub !== "string" || sub === "" || !isJti(jti) || !isTime(iat)) return err(INVALID_ASSERTION);
  if (!isPresent(claims, expected.now, MAX_LIFETIME_SECONDS)) return err(INVALID_ASSERTION);
  if (![resource, scope].every((text) => text === undefined || typeof text === "string")) return err(INVALID_ASSERTION);
  return ok({
    subject: sub,
    resource: resource as string | undefined,
    scope: scope as string | undefined,
    oneTime: { key: `id-jag:${provider.issuer} ${jti}`, rememberUntil: Number(exp) },
  });
}

export const INVALID_ASSERTION: WireError = {
  status: 400,
  error: "invalid_grant",
  description:
    "the assertion must be an ID-JAG (oauth-id-jag+jwt) of a configured identity provider, for this issuer and this client, fresh, and about a person of this tenant",
};

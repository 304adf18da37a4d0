import type { JsonObject } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import { isJti, isPresent, peekClaims, verifyClientJwt } from "./client-jwt.ts";
import type { PresentedAssertion } from "./presented-assertion.ts";
import type { WireError } from "./wire-error.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** An assertion is made for one request; one that lives longer is a password. */
const MAX_LIFETIME_SECONDS = 300;
/** No `typ`, the generic one, or the one made for this; never one of another kind of token. */
const TYPES = [undefined, "JWT", "client-authentication+jwt"];

/** A one-time thing that came with a request, for the object that owns its kind. */
export interface OneTimeClaim {
  readonly key: string;
  /** Epoch seconds. */
  readonly rememberUntil: number;
}

/** One answer for every way to fail, so that nobody learns which clients exist. */
export const INVALID_CLIENT: WireError = {
  status: 401,
  error: "invalid_client",
  description:
    "client authentication failed: send a fresh private_key_jwt assertion, signed with a registered key, with iss = sub = client_id and aud = the issuer",
};

/** The client that an assertion says it is from, before anything is believed. */
export function claimedClient(presented: PresentedAssertion): string | undefined {
  const iss = peekClaims(presented.client_assertion ?? "")?.["iss"];
  return typeof iss === "string" ? iss : undefined;
}

/**
 * Verifies `private_key_jwt` (RFC 7523 §3, RFC 7521 §4.2). The audience is the issuer alone: an
 * assertion meant for another server's token endpoint is worth nothing here.
 *
 * @param keys the client's registered keys
 */
export async function verifyAssertion(
  presented: PresentedAssertion,
  client: { readonly id: string; readonly keys: readonly PublicJwk[] },
  issuer: string,
  now: number,
): Promise<Result<OneTimeClaim, WireError>> {
  if (presented.client_assertion_type !== ASSERTION_TYPE || presented.client_assertion === undefined)
    return err(INVALID_CLIENT);
  const claims = await verifyClientJwt(presented.client_assertion, client.keys, TYPES);
  if (claims === undefined || !claimsHold(claims, client.id, issuer, now)) return err(INVALID_CLIENT);
  if (presented.client_id !== undefined && presented.client_id !== client.id) return err(INVALID_CLIENT);
  return ok({ key: `assertion:${String(claims["jti"])}`, rememberUntil: Number(claims["exp"]) });
}

function claimsHold(claims: JsonObject, clientId: string, issuer: string, now: number): boolean {
  const { iss, sub, aud, jti } = claims;
  if (iss !== clientId || sub !== clientId || aud !== issuer || !isJti(jti)) return false;
  return isPresent(claims, now, MAX_LIFETIME_SECONDS);
}

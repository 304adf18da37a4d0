import { isSignedBy, readJws, type UnverifiedJws } from "../crypto/jws.ts";
import type { JsonObject } from "../domain/canonical-json.ts";
import { importPublicKey } from "../crypto/public-key.ts";
import type { PublicJwk } from "../domain/tenant.ts";

/** How far a client's clock may be ahead of ours, in seconds. */
export const CLOCK_SKEW_SECONDS = 60;
const MAX_JTI_LENGTH = 128;
/** Keys tried for a JWT that names none. */
const MAX_KEYS_TRIED = 5;

/**
 * The claims of a JWT that one of these keys signed; undefined for anything else. What the claims say
 * is not judged here.
 *
 * @param types the `typ` values it may have; one of another kind of token is refused (RFC 8725 §3.11)
 */
export async function verifyClientJwt(
  token: string,
  keys: readonly PublicJwk[],
  types: readonly (string | undefined)[],
): Promise<JsonObject | undefined> {
  return (await verifySignedJwt(token, keys, types))?.claims;
}

/** As {@link verifyClientJwt}, with the key that signed it. */
export async function verifySignedJwt(
  token: string,
  keys: readonly PublicJwk[],
  types: readonly (string | undefined)[],
): Promise<{ readonly claims: JsonObject; readonly key: PublicJwk } | undefined> {
  const read = readJws(token, false);
  if (!read.ok || !types.includes(read.value.typ)) return undefined;
  const key = await signerAmong(keys, read.value);
  return key === undefined ? undefined : { claims: read.value.claims, key };
}

/** Claims of a JWT that nobody has verified yet: only to find out whose keys to try. */
export function peekClaims(token: string): JsonObject | undefined {
  const read = readJws(token, false);
  return read.ok ? read.value.claims : undefined;
}

async function signerAmong(jwks: readonly PublicJwk[], jws: UnverifiedJws): Promise<PublicJwk | undefined> {
  const candidates = jws.kid === undefined ? jwks : jwks.filter((jwk) => jwk.kid === jws.kid);
  for (const jwk of candidates.slice(0, MAX_KEYS_TRIED)) {
    const key = await importPublicKey(jwk, jws.alg);
    if (key.ok && (await isSignedBy(jws, key.value.key))) return jwk;
  }
  return undefined;
}

/**
 * Whether `exp`, `iat` and `nbf` put a JWT into the present, for at most so long. What has no end, or
 * an end further away than that, is a password.
 */
export function isPresent({ exp, iat, nbf }: JsonObject, now: number, maxLifetimeSeconds: number): boolean {
  if (!isTime(exp) || exp <= now || exp > now + maxLifetimeSeconds + CLOCK_SKEW_SECONDS) return false;
  return [iat, nbf].every((time) => time === undefined || (isTime(time) && time <= now + CLOCK_SKEW_SECONDS));
}

export function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

export function isJti(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_JTI_LENGTH;
}

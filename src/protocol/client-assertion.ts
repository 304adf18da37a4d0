import { isSignedBy, readJws, type JsonObject, type UnverifiedJws } from "../crypto/jws.ts";
import { importPublicKey } from "../crypto/public-key.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import type { TenantContext } from "../tenancy.ts";
import type { PresentedAssertion } from "./presented-assertion.ts";
import type { WireError } from "./wire-error.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** An assertion is made for one request; one that lives longer is a password. */
const MAX_LIFETIME_SECONDS = 300;
const CLOCK_SKEW_SECONDS = 60;
const MAX_JTI_LENGTH = 128;
/** Keys tried for an assertion that names none. */
const MAX_KEYS_TRIED = 5;

/** A client that has proved who it is. */
export interface AuthenticatedClient {
  readonly kind: "agent" | "server";
  readonly id: string;
  /** For the object that owns the client's assertions. */
  readonly oneTime: { readonly key: string; readonly rememberUntil: number };
}

/** One answer for every way to fail, so that nobody learns which clients exist. */
export const INVALID_CLIENT: WireError = {
  status: 401,
  error: "invalid_client",
  description:
    "client authentication failed: send a fresh private_key_jwt assertion, signed with a registered key, with iss = sub = client_id and aud = the issuer",
};

/**
 * Authenticates a client by `private_key_jwt` (RFC 7523 §3, RFC 7521 §4.2). The audience is the
 * issuer alone: an assertion meant for another server's token endpoint is worth nothing here.
 */
export async function authenticateClient(
  presented: PresentedAssertion,
  context: TenantContext,
  now: number,
): Promise<Result<AuthenticatedClient, WireError>> {
  if (presented.client_assertion_type !== ASSERTION_TYPE || presented.client_assertion === undefined)
    return err(INVALID_CLIENT);
  const read = readJws(presented.client_assertion, false);
  if (!read.ok) return err(INVALID_CLIENT);
  const claims = read.value.claims;
  const client = registered(context, claims["iss"]);
  // A stranger's assertion is verified too, against a key that cannot fit: the time taken tells nothing.
  const keys = client?.keys ?? context.keys.slice(0, 1).map((key) => key.publicJwk);
  const signed = await isSignedByOneOf(read.value, keys);
  if (client === undefined || !signed) return err(INVALID_CLIENT);
  if (!isAssertionType(read.value.typ) || !claimsHold(claims, client.id, context.issuer, now))
    return err(INVALID_CLIENT);
  if (presented.client_id !== undefined && presented.client_id !== client.id) return err(INVALID_CLIENT);
  return ok({
    kind: client.kind,
    id: client.id,
    oneTime: { key: `assertion:${String(claims["jti"])}`, rememberUntil: Number(claims["exp"]) },
  });
}

function registered(
  context: TenantContext,
  id: unknown,
): { kind: "agent" | "server"; id: string; keys: readonly PublicJwk[] } | undefined {
  if (typeof id !== "string") return undefined;
  const agent = context.tenant.agents.get(id);
  if (agent !== undefined) return { kind: "agent", id, keys: agent.jwks.keys };
  const server = context.tenant.servers.get(id);
  return server === undefined ? undefined : { kind: "server", id, keys: server.jwks.keys };
}

async function isSignedByOneOf(jws: UnverifiedJws, jwks: readonly PublicJwk[]): Promise<boolean> {
  const candidates = jws.kid === undefined ? jwks : jwks.filter((jwk) => jwk.kid === jws.kid);
  for (const jwk of candidates.slice(0, MAX_KEYS_TRIED)) {
    const key = await importPublicKey(jwk, jws.alg);
    if (key.ok && (await isSignedBy(jws, key.value.key))) return true;
  }
  return false;
}

/** No `typ`, the generic one, or the one made for this; never one of another kind of token. */
function isAssertionType(typ: string | undefined): boolean {
  return typ === undefined || typ === "JWT" || typ === "client-authentication+jwt";
}

function claimsHold(claims: JsonObject, clientId: string, issuer: string, now: number): boolean {
  const { iss, sub, aud, exp, iat, nbf, jti } = claims;
  if (iss !== clientId || sub !== clientId || aud !== issuer) return false;
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) return false;
  if (!isTime(exp) || exp <= now || exp > now + MAX_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) return false;
  return [iat, nbf].every((time) => time === undefined || (isTime(time) && time <= now + CLOCK_SKEW_SECONDS));
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

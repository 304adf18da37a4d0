import type { Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import type { Form } from "./body.ts";
import type { OneTimeClaim } from "./client-assertion.ts";
import { isJti, isPresent, isTime, verifyClientJwt } from "./client-jwt.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** FAPI 2.0 Message Signing §5.3.1 and FAPI-CIBA §5.2.2: neither end may lie further away. */
const MAX_LIFETIME_SECONDS = 3600;
const MAX_AGE_SECONDS = 3600;
const TYPES = [undefined, "JWT", "oauth-authz-req+jwt"];
/** What belongs to the JWT itself and is no parameter of the request. */
const JWT_CLAIMS = new Set(["iss", "aud", "exp", "iat", "nbf", "jti"]);
/** What may stand beside a signed request: who sends it, and nothing that asks for anything. */
const OUTSIDE = new Set(["client_id", "client_assertion", "client_assertion_type", "request"]);

/** A signed request, unpacked. */
export interface SignedRequest {
  readonly parameters: Form;
  /** It asks once. */
  readonly oneTime: OneTimeClaim;
}

/**
 * Verifies a request object (RFC 9101 §6, CIBA Core §7.1.1). What is signed is the whole request: a
 * parameter beside it could only be somebody else's, so there may be none.
 *
 * @param client the authenticated client, which must have signed it
 */
export async function readRequestObject(
  form: Form,
  client: { readonly id: string; readonly keys: readonly PublicJwk[] },
  issuer: string,
  now: number,
): Promise<Result<SignedRequest, WireError>> {
  const stray = [...form.keys()].find((name) => !OUTSIDE.has(name));
  if (stray !== undefined)
    return err(invalidRequest("put every parameter into the signed request, and none beside it"));
  const claims = await verifyClientJwt(form.get("request") ?? "", client.keys, TYPES);
  if (claims === undefined) return err(invalidRequestObject("its signature must be by a key of the client"));
  const { iss, aud, exp, iat, nbf, jti, client_id, sub } = claims;
  if (iss !== client.id) return err(invalidRequestObject("iss must be the client_id"));
  if (aud !== issuer) return err(invalidRequestObject("aud must be the issuer alone"));
  if (!isTime(exp) || !isTime(iat) || !isTime(nbf)) return err(invalidRequestObject("exp, iat and nbf must be times"));
  if (!isPresent(claims, now, MAX_LIFETIME_SECONDS) || nbf < now - MAX_AGE_SECONDS)
    return err(invalidRequestObject("it must be in time, and of the last hour"));
  if (!isJti(jti)) return err(invalidRequestObject("jti is missing or too long"));
  // RFC 9101 §10.8: with the client as sub it could be used as that client's assertion.
  if (sub !== undefined) return err(invalidRequestObject("it must not have a sub"));
  if (client_id !== undefined && client_id !== client.id)
    return err(invalidRequestObject("client_id is another client's"));
  const parameters = new Map<string, string>();
  for (const [name, value] of Object.entries(claims)) {
    if (JWT_CLAIMS.has(name)) continue;
    if (name === "request" || name === "request_uri")
      return err(invalidRequestObject("it must not hold another request"));
    parameters.set(name, textOf(value));
  }
  return ok({ parameters, oneTime: { key: `request:${jti}`, rememberUntil: exp } });
}

/** A claim as the parameter it stands for: JSON stays JSON, as it would be in a form. */
function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function invalidRequestObject(description: string): WireError {
  return { status: 400, error: "invalid_request_object", description: `request object: ${description}` };
}

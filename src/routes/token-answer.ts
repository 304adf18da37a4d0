import { signToken } from "../crypto/signing-key.ts";
import { scopeOf } from "../domain/scope.ts";
import type { Minting } from "../durable/session-commands.ts";
import { verifyAccessToken, type AccessTokenClaims } from "../protocol/access-token.ts";
import { NO_STORE, renderError, type WireError } from "../protocol/wire-error.ts";
import { signingKey } from "../tenancy.ts";
import type { AuthenticatedClient } from "./client.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { agentObject, sessionObject } from "./objects.ts";
import { freshNonce } from "./proof.ts";

/** Where every grant's proof must be for. */
export const TOKEN_PATH = "/oauth/token";

/**
 * Signs what the session has decided and recorded.
 *
 * @param actor the server that obtains the token by exchange, RFC 8693 §4.1
 */
export async function answerToken(
  c: Handling,
  minting: Minting,
  members: Readonly<Record<string, string>>,
  actor?: string,
): Promise<Response> {
  const now = nowSeconds();
  const { jkt, authorization_details } = minting;
  const body = {
    access_token: await signMinting(c, minting, now, actor),
    token_type: jkt === undefined ? "Bearer" : "DPoP",
    expires_in: minting.expires_at - now,
    scope: scopeOf(authorization_details),
    authorization_details,
    ...members,
  };
  return Response.json(body, { headers: { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") } });
}

/** Signs a token that the session has decided and recorded. */
export function signMinting(c: Handling, minting: Minting, now: number, actor?: string): Promise<string> {
  const { jkt } = minting;
  const claims: AccessTokenClaims = {
    iss: c.var.tenant.issuer,
    sub: minting.sub,
    aud: minting.audience,
    client_id: actor ?? minting.client_id,
    iat: now,
    exp: minting.expires_at,
    jti: minting.jti,
    sid: minting.session_id,
    ...(jkt === undefined ? {} : { cnf: { jkt } }),
    authorization_details: minting.authorization_details,
    grant_digest: minting.grant_digest,
    ...(actor === undefined ? {} : { act: { sub: actor }, agent: minting.client_id }),
  };
  return signToken(signingKey(c.var.tenant, "access_token"), claims);
}

/** Refuses, and writes it into the session whose token was presented, if it is one. */
export async function refuseHolder(
  c: Handling,
  presented: string | undefined,
  reason: string,
  error: WireError,
): Promise<Response> {
  const held = await verifyAccessToken(presented ?? "", c.var.tenant, nowSeconds());
  if (held.ok) {
    const { session_id, jti } = held.value;
    await sessionObject(c.env, c.var.tenant.issuer, session_id).refuse(reason, { jti });
  }
  return renderError(error);
}

/** Refuses, and writes it into the log of a client that has authenticated. */
export async function refuseClient(
  c: Handling,
  client: AuthenticatedClient,
  reason: string,
  error: WireError,
): Promise<Response> {
  const { issuer } = c.var.tenant;
  await agentObject(c.env, issuer, client.id).refuse({ issuer, client_id: client.id }, reason);
  return renderError(error);
}

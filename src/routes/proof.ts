import { acceptedNonces, type NonceScope } from "../crypto/dpop-nonce.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readAuthorization, verifyAccessToken, type AccessToken } from "../protocol/access-token.ts";
import {
  proofErrorAtResource,
  proofErrorAtServer,
  tokenError,
  verifyProof,
  type Challenge,
  type Proof,
} from "../protocol/dpop.ts";
import { RESOURCE_METADATA_PATH } from "../protocol/metadata.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { standingOf } from "./objects.ts";
import type { Standing } from "../durable/session-commands.ts";

/** The newest nonce, for the client's next proof. */
export function freshNonce(c: Handling, scope: NonceScope): string {
  const { root, issuer } = c.var.tenant;
  return acceptedNonces(root, issuer, scope, nowSeconds())[0];
}

/** What the resource of this audience tells whom it turns away. */
export function challengeOf(c: Handling, audience: string): Challenge {
  const { issuer } = c.var.tenant;
  return {
    nonce: freshNonce(c, "resource"),
    resourceMetadata: issuer + RESOURCE_METADATA_PATH + audience.slice(issuer.length),
  };
}

/** The proof that comes with a request to one of the authorization server's own endpoints. */
export async function proofAtServer(c: Handling, path: string): Promise<Result<Proof, WireError>> {
  const { root, issuer } = c.var.tenant;
  const now = nowSeconds();
  const nonces = acceptedNonces(root, issuer, "as", now);
  const proof = await verifyProof(c.req.header("dpop") ?? null, {
    method: c.req.method,
    url: issuer + path,
    now,
    nonces,
  });
  return proof.ok ? proof : err(proofErrorAtServer(proof.error, nonces[0]));
}

/** As {@link proofAtServer}, where a proof may be left out: then the key is named later. */
export async function proofOrNone(c: Handling, path: string): Promise<Result<Proof | undefined, WireError>> {
  return c.req.header("dpop") === undefined ? ok(undefined) : proofAtServer(c, path);
}

/** A verified token and the proof that its holder made for this very request. */
export interface Bearing {
  readonly token: AccessToken;
  readonly proof: Proof;
  readonly standing: Standing;
}

/**
 * The token and proof of a request to a protected resource (RFC 9449 §7): genuine, meant for this
 * audience, bound to the key that signed the proof, and its client still registered. Whether the
 * session lives, and the proof is new, is for the session to say.
 *
 * @param scope what a client without a token is told to ask for
 * @param also another audience whose tokens are taken here: the issuer's, where the session token itself is
 */
export async function bearingAt(
  c: Handling,
  url: string,
  audience: string,
  { scope, also }: { readonly scope?: string; readonly also?: string } = {},
): Promise<Result<Bearing, WireError>> {
  const { root, issuer } = c.var.tenant;
  const now = nowSeconds();
  const nonces = acceptedNonces(root, issuer, "resource", now);
  const challenge = { ...challengeOf(c, audience), scope };
  const presented = readAuthorization(c.req.header("authorization") ?? null);
  if (presented === undefined) return err(tokenError("send the access token as Authorization: DPoP", challenge));
  const token = await verifyAccessToken(presented, c.var.tenant, now);
  if (!token.ok) return err(tokenError("the access token is not valid", challenge));
  if (token.value.audience !== audience && token.value.audience !== also)
    return err(tokenError("the access token was not issued for this resource", challenge));
  const proof = await verifyProof(c.req.header("dpop") ?? null, {
    method: c.req.method,
    url,
    now,
    nonces,
    ath: token.value.hash,
  });
  if (!proof.ok) return err(proofErrorAtResource(proof.error, challenge));
  if (proof.value.jkt !== token.value.jkt) return err(proofErrorAtResource("invalid", challenge));
  const standing = standingOf(c.var.tenant, token.value.agent);
  if (standing === undefined) return err(tokenError("the client is no longer registered", challenge));
  return ok({ token: token.value, proof: proof.value, standing });
}

/** As {@link bearingAt}, for the session token at the session's own address. */
export function bearingAtSession(c: Handling, path: string): Promise<Result<Bearing, WireError>> {
  const { issuer } = c.var.tenant;
  return bearingAt(c, issuer + path, issuer);
}

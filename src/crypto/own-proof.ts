import { calculateJwkThumbprint, CompactSign, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { newId } from "./random.ts";
import { sha256 } from "./hash.ts";

/** A key that Stint proves toward an upstream. */
export interface OwnProofKey {
  readonly privateJwk: JWK & { readonly kty: string };
  /** RFC 7638 thumbprint, SHA-256. */
  readonly jkt: string;
}

export async function newOwnProofKey(): Promise<OwnProofKey> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const privateJwk = { ...(await exportJWK(privateKey)), kty: "EC" };
  return { privateJwk, jkt: await calculateJwkThumbprint(privateJwk, "sha256") };
}

/** The call that a proof is for. */
export interface ProvenCall {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  /** Epoch seconds. */
  readonly now: number;
}

/** A DPoP proof of Stint's own for one call of an upstream, RFC 9449 §4.2 and §7. */
export async function ownProof(privateJwk: JWK, { method, url, token, now }: ProvenCall): Promise<string> {
  const { kty, crv, x, y } = privateJwk;
  const claims = {
    jti: newId("prf_"),
    htm: method,
    // RFC 9449 §4.2: the target without query and fragment.
    htu: url.split(/[?#]/, 1)[0],
    iat: now,
    ath: sha256(token),
  };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: { kty, crv, x, y } as JWK })
    .sign(await importJWK(privateJwk, "ES256"));
}

import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import { sha256 } from "./digest.ts";

/** A DPoP key (RFC 9449): what a token is bound to. */
export interface ProofKey {
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** Makes a key that cannot be taken out of this process, not even by code that runs in it. */
export async function newProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: false });
  return { privateKey, publicJwk: await exportJWK(publicKey) };
}

/** The name by which a token knows its key (RFC 7638), as `cnf.jkt` and `dpop_jkt`. */
export function thumbprintOf({ publicJwk }: ProofKey): Promise<string> {
  return calculateJwkThumbprint(publicJwk);
}

export interface Proven {
  readonly method: string;
  /** Query and fragment are left out, RFC 9449 §4.2. */
  readonly url: URL;
  readonly nonce?: string | undefined;
  readonly accessToken?: string | undefined;
}

/** A proof for one request, RFC 9449 §4.2. */
export async function proofOf(key: ProofKey, { method, url, nonce, accessToken }: Proven): Promise<string> {
  return new SignJWT({
    jti: crypto.randomUUID(),
    htm: method,
    htu: url.origin + url.pathname,
    ...(nonce === undefined ? {} : { nonce }),
    ...(accessToken === undefined ? {} : { ath: await sha256(accessToken) }),
  })
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: key.publicJwk })
    .setIssuedAt()
    .sign(key.privateKey);
}

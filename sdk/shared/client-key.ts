import { importJWK, SignJWT, type CryptoKey, type JWK } from "jose";
import { lazy } from "./lazy.ts";

const ASSERTION_LIFETIME_SECONDS = 60;
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** A private key that this process may use and not read, whose public half is registered at Stint. */
export interface HeldKey {
  readonly privateKey: CryptoKey;
  /** `ES256`, `PS256` or `EdDSA`. */
  readonly alg: string;
  readonly kid?: string;
}

/** The key of a registration: as a JWK from a secret store, or as one that cannot be read out. */
export type RegisteredKey = JWK | HeldKey;

/** Says who a client is, by `private_key_jwt` (RFC 7523 §2.2). */
export class ClientKey {
  readonly #clientId: string;
  readonly #audience: string;
  readonly #held: () => Promise<HeldKey>;

  constructor(clientId: string, issuer: string, key: RegisteredKey) {
    this.#clientId = clientId;
    this.#audience = issuer;
    this.#held = lazy(() => hold(key));
  }

  /** The parameters that authenticate one request. An assertion is good once. */
  async assertion(): Promise<{ client_assertion_type: string; client_assertion: string }> {
    const { privateKey, alg, kid } = await this.#held();
    const now = Math.floor(Date.now() / 1000);
    const client_assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
      .setIssuer(this.#clientId)
      .setSubject(this.#clientId)
      .setAudience(this.#audience)
      .setIssuedAt(now)
      .setExpirationTime(now + ASSERTION_LIFETIME_SECONDS)
      .sign(privateKey);
    return { client_assertion_type: ASSERTION_TYPE, client_assertion };
  }
}

/** The key as one that signs. */
export async function hold(key: RegisteredKey): Promise<HeldKey> {
  if ("privateKey" in key) return key;
  const { alg = "ES256", kid } = key;
  const privateKey = (await importJWK(key, alg, { extractable: false })) as CryptoKey;
  return { privateKey, alg, ...(kid === undefined ? {} : { kid }) };
}

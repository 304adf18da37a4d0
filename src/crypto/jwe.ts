import { CompactEncrypt, importJWK } from "jose";
import type { EncryptionKey } from "../domain/tenant.ts";

/** By the kind of key, RFC 7518 §4.1. */
const ALGORITHMS = { EC: "ECDH-ES+A256KW", RSA: "RSA-OAEP-256" } as const;

/** Encrypts JSON to one recipient. */
export type Encrypt = (payload: object) => Promise<string>;

/**
 * Makes ready what encrypts to a key, as a compact JWE (RFC 7516 §3.1). All that can be wrong with the
 * key shows here, before there is anything to encrypt: undefined for one that cannot be used.
 *
 * @param typ what kind of JWE it is, RFC 7515 §4.1.9
 */
export async function encrypterTo({ kid, ...key }: EncryptionKey, typ: string): Promise<Encrypt | undefined> {
  const alg = ALGORITHMS[key.kty];
  const imported = await importJWK(key, alg).catch(() => undefined);
  if (imported === undefined) return undefined;
  const encrypt: Encrypt = (payload) =>
    new CompactEncrypt(new TextEncoder().encode(JSON.stringify(payload)))
      .setProtectedHeader({ alg, enc: "A256GCM", typ, kid })
      .encrypt(imported);
  // A point off the curve or a modulus that is too short may only show in use.
  return encrypt({}).then(
    () => encrypt,
    () => undefined,
  );
}

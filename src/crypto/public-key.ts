import { Buffer } from "node:buffer";
import { calculateJwkThumbprint, importJWK, type CryptoKey, type JWK } from "jose";
import { canonicalJson } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { SigningAlgorithm } from "./jws.ts";

const MIN_RSA_BITS = 2048;
/** Verification costs grow with the modulus; nobody needs more. */
const MAX_RSA_BITS = 4096;
/** Imported keys kept per isolate. A session's agent proves the same key at every call. */
const MAX_CACHED_KEYS = 2000;

export interface PublicKey {
  readonly key: CryptoKey;
  /** RFC 7638 thumbprint, SHA-256. */
  readonly jkt: string;
}

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const cache = new Map<string, PublicKey>();

/**
 * Imports a client's public key for one algorithm. Refuses symmetric and private keys, keys meant
 * for something else (`use`, `key_ops`, `alg`), and RSA outside 2048 to 4096 bits.
 */
export async function importPublicKey(jwk: object, alg: SigningAlgorithm): Promise<Result<PublicKey, "unusable_key">> {
  const candidate = jwk as JWK;
  if (!fits(candidate, alg)) return err("unusable_key");
  const required = {
    kty: candidate.kty,
    crv: candidate.crv,
    x: candidate.x,
    y: candidate.y,
    n: candidate.n,
    e: candidate.e,
  };
  const cacheKey = `${alg} ${canonicalJson(required)}`;
  const known = cache.get(cacheKey);
  if (known !== undefined) return ok(known);
  try {
    const key = (await importJWK(required as JWK, alg)) as CryptoKey;
    const imported = { key, jkt: await calculateJwkThumbprint(required as JWK, "sha256") };
    if (cache.size >= MAX_CACHED_KEYS) cache.delete(cache.keys().next().value!);
    cache.set(cacheKey, imported);
    return ok(imported);
  } catch {
    return err("unusable_key");
  }
}

function fits(jwk: JWK, alg: SigningAlgorithm): boolean {
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return false;
  if (jwk.use !== undefined && jwk.use !== "sig") return false;
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) return false;
  if (jwk.alg !== undefined && jwk.alg !== alg && !(alg === "EdDSA" && jwk.alg === "Ed25519")) return false;
  switch (alg) {
    case "ES256":
      return jwk.kty === "EC" && jwk.crv === "P-256" && isText(jwk.x) && isText(jwk.y);
    case "EdDSA":
      return jwk.kty === "OKP" && jwk.crv === "Ed25519" && isText(jwk.x);
    case "PS256":
      return jwk.kty === "RSA" && isText(jwk.e) && isText(jwk.n) && hasSoundModulus(jwk.n) && hasSoundExponent(jwk.e);
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]+$/.test(value);
}

/** With the exponent 1 every message is its own signature; large ones only cost. */
function hasSoundExponent(e: string): boolean {
  const bytes = Buffer.from(e, "base64url");
  const exponent = bytes.length <= 4 ? Number.parseInt(bytes.toString("hex"), 16) : 0;
  return exponent >= 3 && exponent % 2 === 1;
}

function hasSoundModulus(n: string): boolean {
  const bits = Math.floor((n.length * 6) / 8) * 8;
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS + 8;
}

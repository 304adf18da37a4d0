import { createPrivateKey, type KeyObject } from "node:crypto";
import { importPKCS8, SignJWT, type CryptoKey } from "jose";

/** A private key that an operator keeps as PEM, and what it signs with. */
export interface PemKey {
  readonly key: CryptoKey;
  readonly alg: "RS256" | "ES256";
}

/** Opens a PEM of RSA or P-256. GitHub hands out PKCS#1, others PKCS#8 or SEC 1; undefined when it is none of them. */
export async function importPem(pem: string): Promise<PemKey | undefined> {
  try {
    const opened = createPrivateKey(pem);
    const alg = algorithmOf(opened);
    if (alg === undefined) return undefined;
    return { key: await importPKCS8(String(opened.export({ type: "pkcs8", format: "pem" })), alg), alg };
  } catch {
    return undefined;
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): PemKey["alg"] | undefined {
  if (asymmetricKeyType === "rsa") return "RS256";
  return asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1" ? "ES256" : undefined;
}

/**
 * Signs a JWT by which Stint says who it is to an upstream.
 *
 * @param claims times in epoch seconds
 */
export function signPemJwt({ key, alg }: PemKey, claims: object, kid?: string): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg, typ: "JWT", ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

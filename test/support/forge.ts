import { createHash, createHmac, randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from "jose";
import type { StintClient } from "../../cli/agent-client.ts";

const base64url = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** A JWS over exactly these texts, signed with this key, whatever they say. */
export async function signRaw(header: string | object, payload: string | object, jwk: JWK): Promise<string> {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const key = (await importJWK(jwk, "ES256")) as CryptoKey;
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

/** The claims of a good client assertion. */
export function assertionClaims(client: StintClient, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const now = nowSeconds();
  return {
    iss: client.clientId,
    sub: client.clientId,
    aud: client.issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...changes,
  };
}

/** A JWS "signed" by HMAC with a public key's text, as an attacker would. */
export function hmacSigned(header: object, payload: object, secret: string): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** A DPoP proof with everything adjustable. */
export async function forgeProof(
  client: StintClient,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const jwt = new SignJWT({ jti: randomUUID(), iat: nowSeconds(), ...claims }).setProtectedHeader({
    alg: "ES256",
    typ: "dpop+jwt",
    jwk: client.proofKey.publicJwk,
    ...header,
  } as never);
  return jwt.sign(client.proofKey.privateKey);
}

export function athOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

export async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return exportJWK(privateKey);
}

import { createHash, createHmac, hash, hkdfSync, timingSafeEqual } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";

/** SHA-256 in base64url, synchronous, because a transaction of an object may not await. */
export function sha256(text: string): string {
  return hash("sha256", text, "base64url");
}

/** SHA-256 over RFC 8785 canonical JSON: how a request, a grant and an event are named. */
export function digestOf(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** HMAC-SHA-256 in base64url. */
export function hmac(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("base64url");
}

/** HMAC-SHA-256 in base64, as Standard Webhooks signs. */
export function signWebhook(secret: Uint8Array, text: string): string {
  return createHmac("sha256", secret).update(text).digest("base64");
}

/** HMAC-SHA-256 in hexadecimal digits, as Slack signs. */
export function signSlack(secret: string, text: string): string {
  return createHmac("sha256", secret).update(text).digest("hex");
}

/** Derives a 32-byte key for one purpose of one tenant from a root key, by HKDF (RFC 5869). */
export function deriveKey(root: Uint8Array, purpose: string, issuer: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", root, issuer, `stint ${purpose}`, 32));
}

/** Compares two strings without telling by its time where they differ. */
export function equalsConstantTime(a: string, b: string): boolean {
  const left = createHash("sha256").update(a).digest();
  const right = createHash("sha256").update(b).digest();
  return timingSafeEqual(left, right);
}

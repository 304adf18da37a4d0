import { base64url } from "jose";

/** SHA-256 of a text, as base64url: `ath` (RFC 9449 §4.2) and `code_challenge` (RFC 7636 §4.2). */
export async function sha256(text: string): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** 256 random bits as base64url. */
export function randomText(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
}

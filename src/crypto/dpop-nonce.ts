import { deriveKey, hmac } from "./hash.ts";

/** A nonce is good in the step it was made in and the one after: between one and two of these. */
const STEP_SECONDS = 120;

/** Where a nonce is good. One from the token endpoint opens nothing at the proxy. */
export type NonceScope = "as" | "resource";

const current = new Map<string, { step: number; nonces: readonly [string, string] }>();

/** The nonces accepted now, the newest first (RFC 9449 §8). Nothing is stored: a nonce is a MAC of its time. */
export function acceptedNonces(
  root: Uint8Array,
  issuer: string,
  scope: NonceScope,
  now: number,
): readonly [string, string] {
  const step = Math.floor(now / STEP_SECONDS);
  const name = `${scope} ${issuer}`;
  const known = current.get(name);
  if (known?.step === step) return known.nonces;
  const key = deriveKey(root, `dpop nonce ${scope}`, issuer);
  const nonces = [hmac(key, String(step)), hmac(key, String(step - 1))] as const;
  current.set(name, { step, nonces });
  return nonces;
}

import { Buffer } from "node:buffer";

/** NIST SP 800-38D §8.2.2: a random one; a key seals far fewer than 2^32 values. */
const IV_BYTES = 12;

/** AES-256-GCM under a fresh IV: `iv.ciphertext`, both in base64url. */
export async function sealGcm(
  key: CryptoKey,
  plaintext: Uint8Array<ArrayBuffer>,
  additionalData: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, plaintext);
  return `${Buffer.from(iv).toString("base64url")}.${Buffer.from(sealed).toString("base64url")}`;
}

/** Opens what {@link sealGcm} closed; undefined when anything about it is different. */
export async function openGcm(
  key: CryptoKey,
  sealed: string,
  additionalData: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const [iv, ciphertext, ...more] = sealed.split(".").map(decode);
  if (iv?.length !== IV_BYTES || ciphertext === undefined || more.length > 0) return undefined;
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, ciphertext));
  } catch {
    return undefined;
  }
}

/** Undefined for what is not exactly what was written: the platform's decoder passes over much. */
function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? new Uint8Array(bytes) : undefined;
}

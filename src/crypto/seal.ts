import { Buffer } from "node:buffer";
import { canonicalJson } from "../domain/canonical-json.ts";
import { deriveKey } from "./hash.ts";

const IV_BYTES = 12;
const VERSION = "s1";

/** What a sealed value belongs to. It is bound to all of it, so a row moved elsewhere does not open. */
export interface SealContext {
  readonly issuer: string;
  /** `signing_key`, `secret`, `lease`. */
  readonly kind: string;
  readonly name: string;
}

const keys = new Map<string, Promise<CryptoKey>>();

/** Encrypts a secret at rest: AES-256-GCM under a key derived for the tenant from the root key. */
export async function seal(root: Uint8Array, context: SealContext, plaintext: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const key = await sealingKey(root, context);
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: additionalData(context) },
    key,
    new TextEncoder().encode(plaintext),
  );
  return [VERSION, Buffer.from(iv).toString("base64url"), Buffer.from(sealed).toString("base64url")].join(".");
}

/** Opens what {@link seal} closed; undefined when it was altered, moved, or sealed under another key. */
export async function unseal(root: Uint8Array, context: SealContext, sealed: string): Promise<string | undefined> {
  const [version, iv, ciphertext] = sealed.split(".");
  if (version !== VERSION || iv === undefined || ciphertext === undefined) return undefined;
  try {
    const opened = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: decode(iv), additionalData: additionalData(context) },
      await sealingKey(root, context),
      decode(ciphertext),
    );
    return new TextDecoder().decode(opened);
  } catch {
    return undefined;
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "base64url"));
}

function additionalData(context: SealContext): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(canonicalJson(context)));
}

/** The key differs by tenant and kind; importing it anew for every value would cost more than the seal. */
function sealingKey(root: Uint8Array, { issuer, kind }: SealContext): Promise<CryptoKey> {
  const raw = deriveKey(root, `seal ${kind}`, issuer);
  const name = Buffer.from(raw).toString("base64url");
  let key = keys.get(name);
  if (key === undefined) {
    key = crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
    keys.set(name, key);
  }
  return key;
}

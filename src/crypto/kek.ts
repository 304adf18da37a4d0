import { Buffer } from "node:buffer";
import { canonicalJson } from "../domain/canonical-json.ts";
import { openGcm, sealGcm } from "./aes-gcm.ts";
import { deriveKey } from "./hash.ts";

const VERSION = "w1";
const ID_LENGTH = 16;

/** A key-encryption key: lives outside the store, and wraps the keys inside it. */
export interface Kek {
  /** Its public name, derived from it: tells one from another and says nothing of either. */
  readonly id: string;
  readonly key: CryptoKey;
}

/** The keys that a deployment holds: everything is wrapped under the current one, and under either it opens. */
export interface KekRing {
  readonly current: Kek;
  readonly old?: Kek | undefined;
}

/** What a wrapped key belongs to; it is bound to all of it. */
export interface WrapContext {
  readonly issuer: string;
  /** What the key inside is for. */
  readonly purpose: string;
  readonly version: number;
}

/** @param raw 32 bytes */
export async function importKek(raw: Uint8Array): Promise<Kek> {
  const key = await crypto.subtle.importKey("raw", deriveKey(raw, "wrap", ""), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  return {
    id: `kek_${Buffer.from(deriveKey(raw, "kek id", ""))
      .toString("base64url")
      .slice(0, ID_LENGTH)}`,
    key,
  };
}

export async function wrapKey(kek: Kek, context: WrapContext, raw: Uint8Array<ArrayBuffer>): Promise<string> {
  return [VERSION, kek.id, await sealGcm(kek.key, raw, additionalData(kek.id, context))].join(".");
}

/** The key inside; undefined when it was altered or moved, or neither of ours wrapped it. */
export async function unwrapKey(
  { current, old }: KekRing,
  context: WrapContext,
  wrapped: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const id = kekIdOf(wrapped);
  const kek = [current, old].find((one) => one?.id === id);
  if (kek === undefined) return undefined;
  return openGcm(kek.key, wrapped.split(".").slice(2).join("."), additionalData(kek.id, context));
}

/** Which key wrapped it; undefined of what is not wrapped at all. */
export function kekIdOf(wrapped: string): string | undefined {
  const [version, id] = wrapped.split(".");
  return version === VERSION ? id : undefined;
}

function additionalData(kek: string, context: WrapContext): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(canonicalJson({ ...context, kek })));
}

import { Buffer } from "node:buffer";
import { canonicalJson } from "../domain/canonical-json.ts";
import { openGcm, sealGcm } from "./aes-gcm.ts";
import type { Vault } from "./vault.ts";

const FORMAT = "s2";

/** What a sealed value belongs to. It is bound to all of it, so a row moved elsewhere does not open. */
export interface SealContext {
  readonly issuer: string;
  /** `signing_key`, `secret`, `lease`. */
  readonly kind: string;
  readonly name: string;
}

/** Encrypts a secret at rest, under the newest of the tenant's keys. */
export async function seal({ version, keys }: Vault, context: SealContext, plaintext: string): Promise<string> {
  const sealed = await sealGcm(keys.get(version)!, encode(plaintext), additionalData(context, version));
  return `${FORMAT}.${version}.${sealed}`;
}

/** Opens what {@link seal} closed; undefined when it was altered or moved, or no key of the tenant's sealed it. */
export async function unseal({ keys }: Vault, context: SealContext, sealed: string): Promise<string | undefined> {
  const version = sealedVersion(sealed);
  const key = version === undefined ? undefined : keys.get(version);
  if (version === undefined || key === undefined) return undefined;
  const opened = await openGcm(key, sealed.split(".").slice(2).join("."), additionalData(context, version));
  return opened === undefined ? undefined : new TextDecoder().decode(opened);
}

/** The version of the key that a value was sealed under; undefined of anything else. */
export function sealedVersion(sealed: string): number | undefined {
  const [format, version = ""] = sealed.split(".");
  return format === FORMAT && /^[1-9][0-9]{0,8}$/.test(version) ? Number(version) : undefined;
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text));
}

function additionalData(context: SealContext, version: number): Uint8Array<ArrayBuffer> {
  return encode(canonicalJson({ ...context, version }));
}

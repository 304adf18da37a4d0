import { kekIdOf, unwrapKey, wrapKey, type Kek, type KekRing } from "./kek.ts";

const KEY_BYTES = 32;

/** `seal`: encrypts what is kept. `derive`: what handles, nonces and codes are derived from; it has one version. */
export type TenantKeyPurpose = "seal" | "derive";

/** A key of one tenant as its object stores it: wrapped, and so worth nothing without the deployment's own key. */
export interface WrappedKey {
  readonly purpose: TenantKeyPurpose;
  readonly version: number;
  readonly wrapped: string;
}

/** A tenant's own keys, open, in the memory of one isolate. */
export interface Vault {
  /** What handles, nonces and codes are derived from. */
  readonly root: Uint8Array<ArrayBuffer>;
  /** The version that seals now; the others only open. */
  readonly version: number;
  readonly keys: ReadonlyMap<number, CryptoKey>;
}

/** Makes a key, wrapped. It is random, so nothing tells it but its wrapping. */
export async function newTenantKey(
  kek: Kek,
  issuer: string,
  purpose: TenantKeyPurpose,
  version: number,
): Promise<WrappedKey> {
  const raw = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return { purpose, version, wrapped: await wrapKey(kek, { issuer, purpose, version }, raw) };
}

/** Opens a tenant's keys, all of them or none. `unknown_kek` names the one that would be needed. */
export async function openVault(
  ring: KekRing,
  issuer: string,
  stored: readonly WrappedKey[],
): Promise<{ readonly vault: Vault } | { readonly unknown_kek: string }> {
  const keys = new Map<number, CryptoKey>();
  let root: Uint8Array<ArrayBuffer> | undefined;
  for (const { purpose, version, wrapped } of stored) {
    const raw = await unwrapKey(ring, { issuer, purpose, version }, wrapped);
    if (raw === undefined) return { unknown_kek: kekIdOf(wrapped) ?? "none" };
    if (purpose === "derive") root = raw;
    else keys.set(version, await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]));
  }
  if (root === undefined || keys.size === 0) return { unknown_kek: "none" };
  return { vault: { root, version: Math.max(...keys.keys()), keys } };
}

/** The keys that the current key-encryption key does not wrap yet, wrapped by it. What does not open is left as it is. */
export async function rewrap(ring: KekRing, issuer: string, stored: readonly WrappedKey[]): Promise<WrappedKey[]> {
  const outdated = stored.filter(({ wrapped }) => kekIdOf(wrapped) !== ring.current.id);
  const done = await Promise.all(
    outdated.map(async ({ purpose, version, wrapped }) => {
      const context = { issuer, purpose, version };
      const raw = await unwrapKey(ring, context, wrapped);
      return raw === undefined ? [] : [{ purpose, version, wrapped: await wrapKey(ring.current, context, raw) }];
    }),
  );
  return done.flat();
}

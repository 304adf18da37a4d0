import { kekIdOf } from "./crypto/kek.ts";
import { seal, unseal } from "./crypto/seal.ts";
import { newTenantKey, rewrap } from "./crypto/vault.ts";
import { objectName } from "./domain/ids.ts";
import { forgetTenant, loadTenant, requireKeks } from "./tenancy.ts";

/** What became of a tenant's own keys when they were renewed. */
export interface RenewedKeys {
  /** The version that seals from now on. */
  readonly version: number;
  /** The public name of the key-encryption key that wraps all of them. */
  readonly kek: string;
  /** How many values were sealed anew. */
  readonly resealed: number;
}

/**
 * Makes the key that seals from now on, wraps all of the tenant's keys with the current key-encryption
 * key, and seals anew what the tenant's object keeps. Whatever is sealed under an older key opens all
 * the while. Done again after it was cut off anywhere, it goes on.
 */
export async function renewTenantKeys(env: Env, issuer: string): Promise<RenewedKeys> {
  const object = env.TENANT.getByName(objectName(issuer));
  const ring = await requireKeks(env);
  const stored = (await object.snapshot())?.tenantKeys ?? [];
  const newest = Math.max(...stored.map(({ version }) => version));
  const next = await newTenantKey(ring.current, issuer, "seal", newest + 1);
  await object.renewTenantKeys(next, await rewrap(ring, issuer, stored), ring.current.id);
  forgetTenant(issuer);
  const { vault } = await loadTenant(env, issuer);
  const outdated = await object.sealedUnderOthers(vault.version);
  const resealed = await Promise.all(
    outdated.map(async (row) => {
      const context = { issuer, kind: row.kind, name: row.name };
      const value = await unseal(vault, context, row.sealed);
      return value === undefined ? [] : [{ ...row, resealed: await seal(vault, context, value) }];
    }),
  );
  await object.reseal(resealed.flat());
  forgetTenant(issuer);
  return { version: vault.version, kek: ring.current.id, resealed: resealed.flat().length };
}

/** The key-encryption key that this deployment wraps with, and the others that the tenant still needs. */
export async function kekState(env: Env, issuer: string): Promise<{ current: string; still_needed: string[] }> {
  const { current } = await requireKeks(env);
  const stored = (await env.TENANT.getByName(objectName(issuer)).snapshot())?.tenantKeys ?? [];
  const needed = new Set(stored.map(({ wrapped }) => kekIdOf(wrapped) ?? ""));
  return { current: current.id, still_needed: [...needed].filter((id) => id !== current.id) };
}

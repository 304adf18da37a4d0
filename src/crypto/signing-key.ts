import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from "jose";
import type { PublicJwk } from "../domain/tenant.ts";
import { newId } from "./random.ts";
import { isSignedBy, readJws, signJws } from "./jws.ts";
import type { JsonObject } from "../domain/canonical-json.ts";
import { seal, unseal } from "./seal.ts";
import type { Vault } from "./vault.ts";

/**
 * What a key signs. Each kind of token has a key of its own, so that none can stand in for another
 * even where somebody forgets to look at `typ`.
 */
export const KEY_USES = [
  "access_token",
  "approval_link",
  "invitation",
  "introspection",
  "receipt",
  "checkpoint",
  "upstream_token",
] as const;
export type KeyUse = (typeof KEY_USES)[number];

/** The `typ` of what each key signs. */
const TOKEN_TYPES: Readonly<Record<KeyUse, string>> = {
  access_token: "at+jwt",
  approval_link: "stint-approval+jwt",
  invitation: "stint-invitation+jwt",
  introspection: "token-introspection+jwt",
  receipt: "stint-receipt+jwt",
  checkpoint: "stint-checkpoint+jwt",
  // RFC 9068: what an upstream that trusts Stint's issuer expects.
  upstream_token: "at+jwt",
};

export interface KeyLife {
  /** How long a new key is published before it signs: longer than anybody may keep our key set. */
  readonly publishSeconds: number;
  /** How long what an old key signed last may still be shown: as long as a session, or as receipts are kept. */
  readonly verifySeconds: number | "session" | "forever";
}

/** Others keep our key set for five minutes, isolates their picture of the tenant for five seconds. */
export const KEY_LIVES: Readonly<Record<KeyUse, KeyLife>> = {
  access_token: { publishSeconds: 330, verifySeconds: "session" },
  introspection: { publishSeconds: 330, verifySeconds: 86_400 },
  // A link decides for fifteen minutes, but it also watches a session, and reviews broken glass for a week.
  approval_link: { publishSeconds: 10, verifySeconds: 8 * 86_400 },
  invitation: { publishSeconds: 10, verifySeconds: 7 * 86_400 },
  receipt: { publishSeconds: 330, verifySeconds: "forever" },
  checkpoint: { publishSeconds: 330, verifySeconds: "forever" },
  upstream_token: { publishSeconds: 330, verifySeconds: 600 },
};

/** What is for Stint alone to verify; these keys are nobody else's business. */
export const PRIVATE_USES: readonly KeyUse[] = ["approval_link", "invitation"];

/** A signing key as the tenant's object stores it. */
export interface SealedSigningKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly public_jwk: PublicJwk;
  readonly sealed_private_jwk: string;
  /** When it begins to sign, epoch seconds: later than it is published, so that nobody meets it unprepared. */
  readonly signs_from: number;
  /** Until when what it signed is believed, epoch seconds; undefined while it signs, and for what is kept. */
  readonly verify_until?: number | undefined;
}

/** A signing key in use, in the memory of one isolate. */
export interface SigningKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly signsFrom: number;
  readonly verifyUntil?: number | undefined;
  readonly publicJwk: PublicJwk;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** Makes keys for these uses, sealed. */
export function generateSigningKeys(
  vault: Vault,
  issuer: string,
  uses: readonly KeyUse[],
  signsFrom: number,
): Promise<SealedSigningKey[]> {
  return Promise.all(uses.map((use) => generateSigningKey(vault, issuer, use, signsFrom)));
}

async function generateSigningKey(
  vault: Vault,
  issuer: string,
  use: KeyUse,
  signsFrom: number,
): Promise<SealedSigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const kid = newId("key_");
  const context = { issuer, kind: "signing_key", name: `${use} ${kid}` };
  return {
    kid,
    use,
    public_jwk: { ...((await exportJWK(publicKey)) as PublicJwk), kid, alg: "ES256", use: "sig" },
    sealed_private_jwk: await seal(vault, context, JSON.stringify(await exportJWK(privateKey))),
    signs_from: signsFrom,
  };
}

/** Opens a stored key. Throws when it was altered, or sealed under a key that the vault does not hold. */
export async function openSigningKey(vault: Vault, issuer: string, key: SealedSigningKey): Promise<SigningKey> {
  const opened = await unseal(
    vault,
    { issuer, kind: "signing_key", name: `${key.use} ${key.kid}` },
    key.sealed_private_jwk,
  );
  if (opened === undefined) throw new Error(`signing key ${key.kid} does not open`);
  return {
    kid: key.kid,
    use: key.use,
    signsFrom: key.signs_from,
    verifyUntil: key.verify_until,
    publicJwk: key.public_jwk,
    privateKey: (await importJWK(JSON.parse(opened), "ES256")) as CryptoKey,
    publicKey: (await importJWK(key.public_jwk as JWK, "ES256")) as CryptoKey,
  };
}

/** Signs claims as the kind of token that this key is for. */
export function signToken(key: SigningKey, claims: object): Promise<string> {
  return signJws(claims, { alg: "ES256", typ: TOKEN_TYPES[key.use], kid: key.kid }, key.privateKey);
}

/**
 * Verifies a token that one of our own keys of this use must have signed, and returns its claims.
 * Issuer and times are the caller's to judge.
 *
 * @param now epoch seconds; a key past its time is no key
 */
export async function verifyOwnToken(
  token: string,
  use: KeyUse,
  keys: readonly SigningKey[],
  now: number,
): Promise<JsonObject | undefined> {
  const jws = readJws(token, false);
  if (!jws.ok || jws.value.alg !== "ES256" || jws.value.typ !== TOKEN_TYPES[use]) return undefined;
  const key = keys.find((candidate) => candidate.use === use && candidate.kid === jws.value.kid);
  if (key === undefined || !isBelieved(key, now) || !(await isSignedBy(jws.value, key.publicKey))) return undefined;
  return jws.value.claims;
}

/** Whether what a key signed is still believed. */
export function isBelieved({ verifyUntil }: SigningKey, now: number): boolean {
  return verifyUntil === undefined || now < verifyUntil;
}

/** The key of a use that signs now: the newest that has begun. */
export function currentKey(keys: readonly SigningKey[], use: KeyUse, now: number): SigningKey | undefined {
  let current: SigningKey | undefined;
  for (const key of keys) {
    if (key.use !== use || key.signsFrom > now) continue;
    if (current === undefined || key.signsFrom >= current.signsFrom) current = key;
  }
  return current;
}

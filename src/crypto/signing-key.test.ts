import { describe, expect, it } from "vitest";
import { importKek } from "./kek.ts";
import { LONGEST_BREAK_GLASS_SECONDS, LONGEST_REVIEW_SECONDS } from "../domain/break-glass.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import {
  currentKey,
  generateSigningKeys,
  KEY_LIVES,
  openSigningKey,
  signToken,
  verifyOwnToken,
  type SigningKey,
} from "./signing-key.ts";
import { newTenantKey, openVault, type Vault } from "./vault.ts";

const ISSUER = "https://stint.test";
const makeVault = async (): Promise<Vault> => {
  const kek = await importKek(crypto.getRandomValues(new Uint8Array(32)));
  const keys = [await newTenantKey(kek, ISSUER, "derive", 1), await newTenantKey(kek, ISSUER, "seal", 1)];
  const opened = await openVault({ current: kek }, ISSUER, keys);
  if (!("vault" in opened)) throw new Error(opened.unknown_kek);
  return opened.vault;
};
const vault = await makeVault();
const NOW = 1_800_000_000;

async function makeKey(changes: Partial<SigningKey> = {}): Promise<SigningKey> {
  const [sealed] = await generateSigningKeys(vault, ISSUER, ["access_token"], NOW);
  return { ...(await openSigningKey(vault, ISSUER, sealed!)), ...changes };
}

describe("signing keys (group Y)", () => {
  it("J32 believes what an old key signed until its time, and not at it", async () => {
    const old = await makeKey({ verifyUntil: NOW + 100 });
    const token = await signToken(old, { sub: "x" });
    expect(await verifyOwnToken(token, "access_token", [old], NOW + 99)).toEqual({ sub: "x" });
    expect(await verifyOwnToken(token, "access_token", [old], NOW + 100)).toBeUndefined();
  });

  it("believes an approval link for as long as broken glass may wait for its review", () => {
    const longest = REQUEST_LIFETIME_SECONDS + LONGEST_BREAK_GLASS_SECONDS + LONGEST_REVIEW_SECONDS;
    expect(KEY_LIVES.approval_link.verifySeconds).toBeGreaterThanOrEqual(longest);
  });

  it("Y01 believes no key that it does not hold, and none for another use", async () => {
    const [one, two] = [await makeKey(), await makeKey()];
    const token = await signToken(one, { sub: "x" });
    expect(await verifyOwnToken(token, "access_token", [two], NOW)).toBeUndefined();
    expect(await verifyOwnToken(token, "receipt", [one], NOW)).toBeUndefined();
    expect(await verifyOwnToken(token, "access_token", [{ ...one, use: "receipt" }], NOW)).toBeUndefined();
  });

  it("Y02 signs with the newest key that has begun", async () => {
    const keys = [
      await makeKey({ kid: "old", signsFrom: NOW - 10 }),
      await makeKey({ kid: "new", signsFrom: NOW + 10 }),
    ];
    expect(currentKey(keys, "access_token", NOW)?.kid).toBe("old");
    expect(currentKey(keys, "access_token", NOW + 10)?.kid).toBe("new");
    expect(currentKey(keys, "receipt", NOW)).toBeUndefined();
  });

  it("opens for its tenant and vault alone", async () => {
    const [sealed] = await generateSigningKeys(vault, ISSUER, ["access_token"], NOW);
    await expect(openSigningKey(vault, "https://other.test", sealed!)).rejects.toThrow("does not open");
    await expect(openSigningKey(await makeVault(), ISSUER, sealed!)).rejects.toThrow("does not open");
    await expect(openSigningKey(vault, ISSUER, { ...sealed!, use: "receipt" })).rejects.toThrow("does not open");
  });
});

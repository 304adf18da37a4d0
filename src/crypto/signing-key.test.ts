import { describe, expect, it } from "vitest";
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

const ROOT_KEY = new Uint8Array(32).map((_, at) => at);
const ISSUER = "https://stint.test";
const NOW = 1_800_000_000;

async function makeKey(changes: Partial<SigningKey> = {}): Promise<SigningKey> {
  const [sealed] = await generateSigningKeys(ROOT_KEY, ISSUER, ["access_token"], NOW);
  return { ...(await openSigningKey(ROOT_KEY, ISSUER, sealed!)), ...changes };
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

  it("opens for its tenant and root key alone", async () => {
    const [sealed] = await generateSigningKeys(ROOT_KEY, ISSUER, ["access_token"], NOW);
    await expect(openSigningKey(ROOT_KEY, "https://other.test", sealed!)).rejects.toThrow("does not open");
    await expect(openSigningKey(new Uint8Array(32), ISSUER, sealed!)).rejects.toThrow("does not open");
    await expect(openSigningKey(ROOT_KEY, ISSUER, { ...sealed!, use: "receipt" })).rejects.toThrow("does not open");
  });
});

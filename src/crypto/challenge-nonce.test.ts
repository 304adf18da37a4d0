import { describe, expect, it } from "vitest";
import { challengeNonceUntil, makeChallengeNonce } from "./challenge-nonce.ts";

const ROOT_KEY = new Uint8Array(32).map((_, at) => at);
const NOW = 1_800_000_000;
const nonce = makeChallengeNonce(ROOT_KEY, "https://stint.test", "approve x", NOW);
const until = (now: number, about = "approve x", issuer = "https://stint.test", text = nonce) =>
  challengeNonceUntil(ROOT_KEY, issuer, about, text, now);

describe("a challenge's nonce", () => {
  it("K03 is good for two minutes, and not before it was made", () => {
    expect(until(NOW)).toBe(NOW + 120);
    expect(until(NOW + 120)).toBe(NOW + 120);
    expect(until(NOW + 121)).toBeUndefined();
    expect(until(NOW - 6)).toBeUndefined();
  });

  it("is good for its purpose and tenant alone, and for nothing that was altered", () => {
    expect(until(NOW, "approve y")).toBeUndefined();
    expect(until(NOW, "approve x", "https://other.test")).toBeUndefined();
    const [at, random, mac] = nonce.split(".");
    for (const text of [`${Number(at) + 1}.${random}.${mac}`, `${at}.x.${mac}`, `${at}.${random}.`, `${at}.${random}`])
      expect(until(NOW, undefined, undefined, text)).toBeUndefined();
  });

  it("is never the same twice", () => {
    expect(makeChallengeNonce(ROOT_KEY, "https://stint.test", "approve x", NOW)).not.toBe(nonce);
  });
});

import { describe, expect, it } from "vitest";
import { environmentSecret, readConfig } from "./config.ts";

const key = (letter: string): string => Buffer.from(letter.repeat(31) + "x").toString("base64url");
const good = {
  STINT_KEK: key("a"),
  STINT_ADMIN_KEY: key("b"),
  STINT_ORIGINS: "https://a.test http://localhost:8787",
  STINT_ALLOW_PRIVATE_NETWORK: "false",
  STINT_ENV_SECRETS: '{"https://a.test":["API_KEY","STINT_KEK"]}',
  API_KEY: "value",
};
const drawn = (step: number): string =>
  Buffer.from(Array.from({ length: 32 }, (_, at) => (at * step + 200) % 256)).toString("base64url");
const random = drawn(89);
const env = (changes: Record<string, unknown> = {}) => ({ ...good, ...changes }) as never;

describe("readConfig (Y07, Y08, FL)", () => {
  it("reads a complete deployment", () => {
    expect(readConfig(env())).toMatchObject({
      ok: true,
      value: { origins: ["https://a.test", "http://localhost:8787"], allowPrivateNetwork: false },
    });
  });

  it("takes keys that were drawn at random for issuers that others can reach", () => {
    const keys = { STINT_KEK: random, STINT_ADMIN_KEY: drawn(53), STINT_ORIGINS: "https://stint.acme.com" };
    expect(readConfig(env(keys))).toMatchObject({ ok: true });
  });

  it.each([
    ["no key", { STINT_KEK: undefined }],
    ["an empty key", { STINT_KEK: "" }],
    ["a short key", { STINT_KEK: "abc" }],
    ["a placeholder", { STINT_KEK: Buffer.alloc(32).toString("base64url") }],
    ["a test key where others can reach it (Y08)", { STINT_ORIGINS: "https://stint.acme.example" }],
    ["a test key where others can reach one tenant", { STINT_ORIGINS: "https://a.test https://stint.acme.com" }],
    ["a test key for the admin alone", { STINT_KEK: random, STINT_ORIGINS: "https://stint.acme.com" }],
    ["a broken key of before", { STINT_KEK_OLD: "abc" }],
    ["the admin key as the one of before", { STINT_KEK_OLD: good.STINT_ADMIN_KEY }],
    ["no admin key", { STINT_ADMIN_KEY: undefined }],
    ["one key for both", { STINT_ADMIN_KEY: good.STINT_KEK }],
    ["no tenant", { STINT_ORIGINS: "" }],
    ["an issuer over plain http", { STINT_ORIGINS: "http://stint.acme.example" }],
    ["an issuer with a path", { STINT_ORIGINS: "https://a.test/x" }],
    ["broken secrets", { STINT_ENV_SECRETS: "{" }],
  ])("refuses %s, without naming its value", (_, changes) => {
    const read = readConfig(env(changes));
    expect(read.ok).toBe(false);
    expect(JSON.stringify(read)).not.toContain(good.STINT_KEK);
  });

  it("gives a tenant the secrets that were meant for it, and never the broker's own", () => {
    const bindings = env();
    expect(environmentSecret(bindings, "https://a.test", "API_KEY")).toBe("value");
    expect(environmentSecret(bindings, "https://b.test", "API_KEY")).toBeUndefined();
    expect(environmentSecret(bindings, "https://a.test", "STINT_KEK")).toBeUndefined();
    expect(environmentSecret(bindings, "https://a.test", "constructor")).toBeUndefined();
  });
});

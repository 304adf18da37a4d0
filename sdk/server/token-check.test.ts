import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { OfflineCheck, type Checked } from "./token-check.ts";

const NOW = 1_800_000_000;
const CLAIMS = {
  iss: "https://stint.test",
  sub: "bot",
  aud: "https://api.test",
  client_id: "bot",
  jti: "tok_1",
  sid: "ses_1",
};
let key: CryptoKey;
let jwks: object;
beforeAll(async () => {
  const pair = await generateKeyPair("ES256");
  key = pair.privateKey;
  jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "ES256" }] };
});

/** Judges a token at {@link NOW}; `asked` when Stint was asked about it. */
async function judge(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  keys: () => Promise<Response> = async () => Response.json(jwks),
): Promise<Checked | "asked"> {
  const token = await new SignJWT({ ...CLAIMS, iat: NOW - 10, exp: NOW + 290, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "k1", ...header } as never)
    .sign(key);
  const later = { check: async () => "asked" as never };
  return new OfflineCheck(CLAIMS.iss, CLAIMS.aud, later, keys).check(token, NOW);
}

describe("a token that is checked offline", () => {
  it("is believed for five minutes from when it was issued, then asked about", async () => {
    expect(await judge({})).toMatchObject(CLAIMS);
    expect(await judge({ iat: NOW - 300, exp: NOW + 3600 })).toMatchObject(CLAIMS);
    expect(await judge({ iat: NOW - 301, exp: NOW + 3600 })).toBe("asked");
  });

  it.each([
    ["of another issuer", { iss: "https://evil.test" }, {}],
    ["for another audience", { aud: "https://other.test" }, {}],
    ["that has ended", { exp: NOW }, {}],
    ["without an end", { exp: undefined }, {}],
    ["of tomorrow", { iat: NOW + 86_400, exp: NOW + 90_000 }, {}],
    ["of no session", { sid: undefined }, {}],
    ["of no time", { iat: undefined }, {}],
    ["that is a receipt", {}, { typ: "stint-receipt+jwt" }],
    ["of an ID token's type", {}, { typ: "JWT" }],
    ["of a key that nobody knows", {}, { kid: "k2" }],
  ])("is refused: one %s", async (_, claims, header) => {
    expect(await judge(claims, header)).toBe("inactive");
  });

  it.each([
    ["unreachable", () => Promise.reject(new TypeError("fetch failed"))],
    ["down", async () => new Response("", { status: 500 })],
    ["elsewhere", async () => new Response(null, { status: 302, headers: { location: "https://evil.test" } })],
    ["not what they should be", async () => new Response("<html>")],
  ])("cannot be judged when the keys are %s", async (_, keys) => {
    expect(await judge({}, {}, keys)).toBe("unavailable");
  });
});

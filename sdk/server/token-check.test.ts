import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ClientKey } from "../shared/client-key.ts";
import { Introspection, OfflineCheck, type Checked } from "./token-check.ts";

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

describe("keys that are asked for", () => {
  afterEach(() => void vi.useRealTimers());
  const stranger = async (kid: string): Promise<string> =>
    new SignJWT({ ...CLAIMS, iat: NOW - 10, exp: NOW + 290 })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
      .sign(key);
  const nobody = { check: async () => "inactive" as const };

  it("are not asked for again by whoever names one that nobody knows (Y01)", async () => {
    let asked = 0;
    const check = new OfflineCheck(CLAIMS.iss, CLAIMS.aud, nobody, async () => {
      asked += 1;
      return Response.json(jwks);
    });
    for (let at = 0; at < 20; at += 1) expect(await check.check(await stranger(`k${at + 2}`), NOW)).toBe("inactive");
    expect(asked).toBe(1);
    expect(await check.check(await stranger("k1"), NOW)).toMatchObject(CLAIMS);
  });

  it.each([
    ["down", async () => Promise.reject(new TypeError("fetch failed"))],
    ["no list", async () => Response.json({ keys: "k1" })],
    ["no document", async () => new Response("<html>")],
    ["without end", async () => new Response("x".repeat(2_000_000))],
  ])("are not asked for at every request while they are %s", async (_, answer) => {
    let asked = 0;
    const check = new OfflineCheck(CLAIMS.iss, CLAIMS.aud, nobody, async () => {
      asked += 1;
      return answer();
    });
    for (let at = 0; at < 20; at += 1) expect(await check.check(await stranger("k1"), NOW)).toBe("unavailable");
    expect(asked).toBe(1);
  });

  it("are forgotten after five minutes: one that was withdrawn opens nothing any more (Y03)", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const keys: { current: object } = { current: jwks };
    const check = new OfflineCheck(CLAIMS.iss, CLAIMS.aud, nobody, async () => Response.json(keys.current));
    expect(await check.check(await stranger("k1"), NOW)).toMatchObject(CLAIMS);
    const { publicKey } = await generateKeyPair("ES256");
    keys.current = { keys: [{ ...(await exportJWK(publicKey)), kid: "k2", alg: "ES256" }] };
    vi.setSystemTime(Date.now() + 301_000);
    expect(await check.check(await stranger("k1"), NOW)).toBe("inactive");
  });
});

describe("a token that Stint is asked about", () => {
  const ask = async (answer: () => Promise<Response>): Promise<[Checked, RequestInit | undefined]> => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const client = new ClientKey("tickets", CLAIMS.iss, await exportJWK(privateKey));
    let sent: RequestInit | undefined;
    const check = new Introspection(CLAIMS.iss, client, (_, init) => {
      sent = init;
      return answer();
    });
    return [await check.check("a.b.c"), sent];
  };

  it.each([
    ["a page", async () => new Response("<html>")],
    ["nothing", async () => new Response(null)],
    ["a word", async () => Response.json({ active: "true" })],
    ["a number", async () => Response.json({ active: 1 })],
    ["a list", async () => Response.json([{ active: true }])],
    ["without end", async () => new Response(`{"active":true,"x":"${"x".repeat(2_000_000)}"}`)],
    ["a refusal of its own", async () => Response.json({ error: "invalid_client" }, { status: 401 })],
    ["another success", async () => Response.json({ active: true }, { status: 201 })],
  ])("is not judged by %s", async (_, answer) => {
    expect((await ask(answer))[0]).toBe("unavailable");
  });

  it("is not waited for without end, nor asked about elsewhere", async () => {
    const [checked, sent] = await ask(async () => Response.json({ active: false }));
    expect(checked).toBe("inactive");
    expect(sent).toMatchObject({ redirect: "manual", signal: expect.any(AbortSignal) });
  });
});

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { athOf, forgeProof, newKey, nowSeconds } from "./support/forge.ts";
import { approvedSession, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let session: Approved;
let proxyToken: string;
beforeAll(async () => {
  world = await startTestWorld();
  session = await approvedSession(world);
  proxyToken = await session.proxyToken("echo");
});
afterAll(() => world?.close());

const tokenUrl = () => `${world.issuer}/oauth/token`;
const thingsUrl = () => `${world.issuer}/proxy/echo/things`;

async function exchange(proof: string | undefined, headers: Record<string, string> = {}) {
  const response = await fetch(tokenUrl(), {
    method: "POST",
    headers: { ...(proof === undefined ? {} : { dpop: proof }), ...headers },
    body: new URLSearchParams({
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: session.sessionToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource: `${world.issuer}/proxy/echo`,
    }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

async function things(proof: string | undefined, headers: Record<string, string> = {}) {
  const response = await fetch(thingsUrl(), {
    headers: { authorization: `DPoP ${proxyToken}`, ...(proof === undefined ? {} : { dpop: proof }), ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

async function asNonce(): Promise<string> {
  return (
    (await exchange(await forgeProof(session.agent, { htm: "POST", htu: tokenUrl() }))).headers.get("dpop-nonce") ?? ""
  );
}

async function resourceNonce(): Promise<string> {
  return (
    (
      await things(await forgeProof(session.agent, { htm: "GET", htu: thingsUrl(), ath: athOf(proxyToken) }))
    ).headers.get("dpop-nonce") ?? ""
  );
}

const good = async (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  forgeProof(session.agent, { htm: "POST", htu: tokenUrl(), nonce: await asNonce(), ...changes }, header);

describe("DPoP at the token endpoint (group D)", () => {
  it("takes a good proof", async () => {
    expect(await exchange(await good())).toMatchObject({ status: 200 });
  });

  it.each<[string, () => Promise<string | undefined>]>([
    ["D01 no proof", async () => undefined],
    ["D02 two proofs", async () => `${await good()}, ${await good()}`],
    [
      "D06 no alg",
      async () =>
        `${Buffer.from(JSON.stringify({ typ: "dpop+jwt", jwk: session.agent.proofKey.publicJwk })).toString("base64url")}.e30.AAAA`,
    ],
    ["D07 no jwk", () => good({}, { jwk: undefined })],
    ["D09 a symmetric jwk", () => good({}, { jwk: { kty: "oct", k: "AAAA" } })],
    ["a private jwk", async () => good({}, { jwk: await newKey() })],
    ["another typ", () => good({}, { typ: "JWT" })],
    ["D10 no jti", () => good({ jti: undefined })],
    ["D10 an empty jti", () => good({ jti: "" })],
    ["D10 a jti that is a number", () => good({ jti: 7 })],
    ["D10 a long jti", () => good({ jti: "x".repeat(129) })],
    ["D12 no htu", () => good({ htu: undefined })],
    ["D12 an htu that is a number", () => good({ htu: 7 })],
    ["D12 another path", () => good({ htu: `${world.issuer}/oauth/introspect` })],
    ["D12 a slash at the end", () => good({ htu: `${tokenUrl()}/` })],
    ["D12 another scheme", () => good({ htu: tokenUrl().replace("http:", "https:") })],
    ["D12 another host", () => good({ htu: "https://evil.test/oauth/token" })],
    ["D12 a user in the URL", () => good({ htu: tokenUrl().replace("http://", "http://u@") })],
    ["D12 an empty user in the URL", () => good({ htu: tokenUrl().replace("http://", "http://@") })],
    ["D12 a space before the URL", () => good({ htu: ` ${tokenUrl()}` })],
    ["D12 a line end after the URL", () => good({ htu: `${tokenUrl()}\n` })],
    ["D12 a tab inside the URL", () => good({ htu: tokenUrl().replace("token", "tok\ten") })],
    ["D12 backslashes", () => good({ htu: tokenUrl().replace("//", "\\\\") })],
    ["D12 more slashes than two", () => good({ htu: tokenUrl().replace("//", "////") })],
    ["D12 no slashes", () => good({ htu: tokenUrl().replace("//", "") })],
    ["another method", () => good({ htm: "GET" })],
    ["an end that is past", () => good({ exp: nowSeconds() })],
    ["an end that is a text", () => good({ exp: "never" })],
    ["a beginning that is to come", () => good({ nbf: nowSeconds() + 600 })],
    ["a method in lower case", () => good({ htm: "post" })],
    ["D15 no iat", () => good({ iat: undefined })],
    ["D15 an hour ahead", () => good({ iat: nowSeconds() + 3600 })],
    ["D15 an hour old", () => good({ iat: nowSeconds() - 3600 })],
    ["an iat that is a text", () => good({ iat: String(nowSeconds()) })],
    ["a key that did not sign", async () => good({}, { jwk: (await world.freshAgent()).proofKey.publicJwk })],
  ])("refuses %s", async (_, make) => {
    expect(await exchange(await make())).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it.each<[string, () => Promise<string>]>([
    ["D14 an upper-case host", async () => good({ htu: tokenUrl().replace("localhost", "LOCALHOST") })],
    ["D14 a query in htu", async () => good({ htu: `${tokenUrl()}?x=1` })],
    ["D14 unknown claims", () => good({ extra: { a: 1 } })],
    ["an end and a beginning around now", () => good({ exp: nowSeconds() + 30, nbf: nowSeconds() - 5 })],
    ["D15 a clock 8 s ahead", () => good({ iat: nowSeconds() + 8 })],
    ["D15 a clock 10 s behind", () => good({ iat: nowSeconds() - 10 })],
    ["D17 an ath nobody asked for", () => good({ ath: "x" })],
  ])("takes %s", async (_, make) => {
    expect(await exchange(await make())).toMatchObject({ status: 200 });
  });

  it("D25 asks for a nonce, exactly one", async () => {
    const answer = await exchange(await forgeProof(session.agent, { htm: "POST", htu: tokenUrl() }));
    expect(answer).toMatchObject({ status: 400, body: { error: "use_dpop_nonce" } });
    expect(answer.headers.get("dpop-nonce")).toMatch(/^[\x21\x23-\x5B\x5D-\x7E]+$/);
    expect(answer.headers.get("dpop-nonce")).not.toContain(",");
  });

  it.each<[string, () => Promise<string>]>([
    ["D26 a made-up nonce", async () => "made-up"],
    ["D26 a nonce of the proxy", resourceNonce],
    ["D26 a flipped bit", async () => (await asNonce()).replace(/.$/, (last) => (last === "A" ? "B" : "A"))],
  ])("asks again for %s", async (_, nonce) => {
    expect(await exchange(await good({ nonce: await nonce() }))).toMatchObject({
      status: 400,
      body: { error: "use_dpop_nonce" },
    });
  });

  it("D35 asks for a nonce where a proof was made long ahead", async () => {
    expect(await exchange(await good({ nonce: undefined, iat: nowSeconds() + 240 }))).toMatchObject({
      body: { error: "use_dpop_nonce" },
    });
  });

  it("D19 takes a proof once, of fifty in parallel", async () => {
    const proof = await good();
    const answers = await Promise.all(Array.from({ length: 50 }, () => exchange(proof)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body["error"] === "invalid_dpop_proof")).toHaveLength(49);
  });

  it("D04 takes a proof from its header alone, never from the body or the query", async () => {
    const parameters = {
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: session.sessionToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource: `${world.issuer}/proxy/echo`,
    };
    for (const [query, more] of [
      ["", { dpop: await good() }],
      ["", { DPoP: await good(), dpop_proof: await good() }],
      [`?dpop=${await good()}`, {}],
    ] as const) {
      const body = new URLSearchParams({ ...parameters, ...more });
      const response = await fetch(tokenUrl() + query, { method: "POST", body });
      expect(response.status).toBe(400);
      expect(["invalid_dpop_proof", "invalid_request"]).toContain(((await response.json()) as { error: string }).error);
    }
  });

  it.each(["/oauth/par", "/sessions", "/oauth/introspect"])(
    "D20 refuses a proof that was made for %s",
    async (path) => {
      expect(await exchange(await good({ htu: world.issuer + path }))).toMatchObject({
        status: 400,
        body: { error: "invalid_dpop_proof" },
      });
    },
  );

  it("D21 takes the same jti from two keys", async () => {
    const other = await approvedSession(world);
    const jti = randomUUID();
    const nonce = await asNonce();
    expect((await exchange(await good({ jti }))).status).toBe(200);
    const body = {
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: other.sessionToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource: `${world.issuer}/proxy/echo`,
    };
    const dpop = await forgeProof(other.agent, { htm: "POST", htu: tokenUrl(), nonce, jti });
    expect(
      (await fetch(tokenUrl(), { method: "POST", headers: { dpop }, body: new URLSearchParams(body) })).status,
    ).toBe(200);
  });

  it("D28 D29 builds htu from its configuration, whatever Host or forwarding headers say", async () => {
    const proof = await good({ htu: "https://evil.test/oauth/token" });
    for (const headers of [
      { "x-forwarded-host": "evil.test", "x-forwarded-proto": "https" },
      { forwarded: "host=evil.test;proto=https" },
    ]) {
      expect((await exchange(proof, headers)).body).toMatchObject({ error: "invalid_dpop_proof" });
    }
  });

  it("D32 X06 refuses another key in mid-session", async () => {
    const thief = await world.freshAgent();
    const proof = await forgeProof(thief, { htm: "POST", htu: tokenUrl(), nonce: await asNonce() });
    expect(await exchange(proof)).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });
});

describe("DPoP at the proxy (group D)", () => {
  it("names in its challenge where the resource says who issues tokens for it", async () => {
    const { headers } = await things(undefined);
    const url = /resource_metadata="([^"]+)"/.exec(headers.get("www-authenticate") ?? "")?.[1] ?? "";
    expect(url).toBe(`${world.issuer}/.well-known/oauth-protected-resource/proxy/echo`);
    expect(await (await fetch(url)).json()).toMatchObject({
      resource: `${world.issuer}/proxy/echo`,
      authorization_servers: [world.issuer],
    });
    for (const path of ["/proxy/nobody", "/proxy/echo/things", "/", "/x"])
      expect((await fetch(`${world.issuer}/.well-known/oauth-protected-resource${path}`)).status).toBe(404);
  });

  const atProxy = async (changes: Record<string, unknown> = {}) =>
    forgeProof(session.agent, {
      htm: "GET",
      htu: thingsUrl(),
      nonce: await resourceNonce(),
      ath: athOf(proxyToken),
      ...changes,
    });

  it("takes a good proof", async () => {
    expect((await things(await atProxy())).status).toBe(200);
  });

  it.each<[string, () => Promise<string | undefined>]>([
    ["no proof", async () => undefined],
    ["D17 no ath", () => atProxy({ ath: undefined })],
    ["D17 a wrong ath", () => atProxy({ ath: "wrong" })],
    ["D17 the ath of another token", () => atProxy({ ath: athOf(session.sessionToken) })],
    ["a proof for another path", () => atProxy({ htu: `${world.issuer}/proxy/echo/things/1` })],
    ["a proof for another method", () => atProxy({ htm: "POST" })],
  ])("refuses %s", async (_, make) => {
    const before = world.echo.seen.length;
    const answer = await things(await make());
    expect(answer).toMatchObject({ status: 401, body: { error: "invalid_dpop_proof" } });
    expect(answer.headers.get("www-authenticate")).toMatch(/^DPoP error="invalid_dpop_proof"/);
    expect(world.echo.seen.length).toBe(before);
  });

  it("D26 D27 asks for a nonce of its own kind", async () => {
    expect(await things(await atProxy({ nonce: undefined }))).toMatchObject({
      status: 401,
      body: { error: "use_dpop_nonce" },
    });
    expect(await things(await atProxy({ nonce: await asNonce() }))).toMatchObject({
      status: 401,
      body: { error: "use_dpop_nonce" },
    });
  });

  it("D19 takes a proof once", async () => {
    const proof = await atProxy();
    const answers = await Promise.all(Array.from({ length: 20 }, () => things(proof)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it.each(["Basic x", "Token x", "Bearer x", ""])("D24 refuses the scheme %j", async (authorization) => {
    expect((await things(await atProxy(), { authorization })).status).toBe(401);
  });

  it("D36 never takes the token as a bearer token", async () => {
    expect((await things(undefined, { authorization: `Bearer ${proxyToken}` })).status).toBe(401);
  });

  it("D37 judges the method that was sent, not an override", async () => {
    const proof = await atProxy({ htm: "POST" });
    expect((await things(proof, { "x-http-method-override": "POST" })).status).toBe(401);
  });

  it("G05 takes no token from the URL", async () => {
    expect((await fetch(`${thingsUrl()}?access_token=${proxyToken}`)).status).toBe(400);
  });
});

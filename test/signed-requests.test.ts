import { generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { assertionClaims, hmacSigned, nowSeconds, signRaw } from "./support/forge.ts";
import { newClientKey, startOAuthWorld, type ClientKey, type OAuthWorld } from "./support/oauth-world.ts";
import {
  authenticated,
  authorizationRequest,
  backchannelRequest,
  nextWebApp,
  requestClaims,
  signRequest,
  web,
  webApp,
} from "./support/oauth-requests.ts";

let world: OAuthWorld;
let stranger: ClientKey;
beforeAll(async () => {
  world = await startOAuthWorld();
  stranger = await newClientKey("web");
});
afterAll(() => world?.close());
beforeEach(nextWebApp);

const DOORS = [
  { door: "/oauth/par", status: 201, parameters: () => authorizationRequest() },
  { door: "/oauth/backchannel", status: 200, parameters: () => backchannelRequest() },
] as const;

/** Sends a request object, alone beside the client's authentication. */
const send = async (door: string, request: string, beside: Record<string, string> = {}) =>
  authenticated(await webApp(world), door, { request, ...beside });

describe.each(DOORS)("a signed request at $door (RFC 9101, CIBA Core §7.1.1, FAPI)", ({ door, status, parameters }) => {
  const sign = (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> =>
    signRequest(requestClaims(world, parameters(), changes), world.webKey.privateJwk, header);

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["as it should be", {}, {}],
    ["without typ", {}, { typ: undefined }],
    ["with the generic typ", {}, { typ: "JWT" }],
    ["eight seconds ahead of our clock", { iat: nowSeconds() + 8, nbf: nowSeconds() + 8 }, {}],
    ["with a parameter that we do not know", { something: "else" }, {}],
  ])("is taken %s", async (_, changes, header) => {
    expect((await send(door, await sign(changes, header))).status).toBe(status);
  });

  const now = nowSeconds();
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["Q24 no iss", { iss: undefined }, {}],
    ["Q24 no aud", { aud: undefined }, {}],
    ["Q24 no exp", { exp: undefined }, {}],
    ["Q24 no iat", { iat: undefined }, {}],
    ["Q24 no nbf", { nbf: undefined }, {}],
    ["Q24 no jti", { jti: undefined }, {}],
    ["Q24 an exp 70 minutes ahead", { exp: now + 4200 }, {}],
    ["Q24 an exp that has passed", { exp: now - 1 }, {}],
    ["Q24 an nbf 70 minutes ago", { nbf: now - 4200 }, {}],
    ["Q24 an nbf 10 minutes ahead", { nbf: now + 600 }, {}],
    ["an iat 10 minutes ahead", { iat: now + 600 }, {}],
    ["an iss that is another client", { iss: "native-app" }, {}],
    ["an iss that is our issuer", { iss: "http://localhost" }, {}],
    ["an aud that is another server", { aud: "https://elsewhere.example" }, {}],
    ["J23 an aud that is the endpoint", { aud: "endpoint" }, {}],
    ["J22 an aud of two", { aud: "two" }, {}],
    ["an empty aud", { aud: "" }, {}],
    ["a client_id that is another client", { client_id: "native-app" }, {}],
    ["a sub, as an assertion has it", { sub: "self" }, {}],
    ["an empty jti", { jti: "" }, {}],
    ["a jti of 129 characters", { jti: "x".repeat(129) }, {}],
    ["another request in it", { request: "e30.e30.x" }, {}],
    ["a request_uri in it", { request_uri: "https://elsewhere.example/r" }, {}],
    ["J33 iss an object", { iss: {} }, {}],
    ["J33 aud a number", { aud: 7 }, {}],
    ["J33 exp a text", { exp: "soon" }, {}],
    ["J33 exp of the distant future", { exp: 1e30 }, {}],
    ["J33 iat null", { iat: null }, {}],
    ["J33 nbf a fraction", { nbf: now + 0.5 }, {}],
    ["J33 jti a number", { jti: 5 }, {}],
    ["J26 the typ of a proof", {}, { typ: "dpop+jwt" }],
    ["J26 the typ of an access token", {}, { typ: "at+jwt" }],
    ["J26 the typ of an ID-JAG", {}, { typ: "oauth-id-jag+jwt" }],
    ["J26 the typ of a client assertion", {}, { typ: "client-authentication+jwt" }],
    ["J26 the typ of an approval link", {}, { typ: "stint-approval+jwt" }],
    ["a kid that is nobody's", {}, { kid: "nobody" }],
    ["J02 alg es256", {}, { alg: "es256" }],
    ["J02 alg noNE", {}, { alg: "noNE" }],
    ["J06 a key it brings along", {}, { jwk: { kty: "EC" } }],
    ["J06 a certificate chain", {}, { x5c: ["AAAA"] }],
    ["J06 an address of keys", {}, { jku: "https://evil.example/jwks" }],
    ["a critical extension", {}, { crit: ["exp"] }],
    ["b64 false", {}, { b64: false }],
  ])("is refused with %s", async (_, changes, header) => {
    const meant: Record<string, unknown> = {
      endpoint: world.issuer + door,
      two: [world.issuer, "https://elsewhere.example"],
      self: web.client_id,
    };
    const real = Object.fromEntries(
      Object.entries(changes).map(([name, value]) => [
        name,
        typeof value === "string" ? (meant[value] ?? value) : value,
      ]),
    );
    const answer = await send(door, await sign(real, header));
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request_object" } });
  });

  it("J01 is refused unsigned", async () => {
    const claims = requestClaims(world, parameters());
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const signature of ["", "AAAA"]) {
      const request = `${encode({ alg: "none" })}.${encode(claims)}.${signature}`;
      expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
    }
  });

  it("is refused when another key signed it", async () => {
    const request = await signRequest(requestClaims(world, parameters()), stranger.privateJwk);
    expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
  });

  it("is refused when another client of ours signed it, for itself", async () => {
    const claims = requestClaims(world, parameters(), { iss: "triage-bot", client_id: "triage-bot" });
    const request = await signRequest(claims, world.keys.agent.privateJwk);
    expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
  });

  it("J03 is refused when our public key was its HMAC secret", async () => {
    const claims = requestClaims(world, parameters());
    for (const secret of [JSON.stringify(world.webKey.publicJwk), String(world.webKey.publicJwk.x)]) {
      const request = hmacSigned({ alg: "HS256", kid: "web" }, claims, secret);
      expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
    }
  });

  it("J28 is refused by RS256", async () => {
    const { privateKey } = await generateKeyPair("RS256");
    const request = await new SignJWT(requestClaims(world, parameters()))
      .setProtectedHeader({ alg: "RS256", kid: "web" })
      .sign(privateKey);
    expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
  });

  it("J15 J17 J18 is refused in any other spelling", async () => {
    const good = await sign();
    const [header = "", payload = "", signature = ""] = good.split(".");
    const twice = await signRaw(
      { alg: "ES256", kid: "web" },
      `{"iss":"${web.client_id}",${JSON.stringify(requestClaims(world, parameters())).slice(1)}`,
      world.webKey.privateJwk,
    );
    for (const request of [
      `${good}=`,
      ` ${good}`,
      `${good}\n`,
      `${header}.${payload}`,
      `${good}.${signature}`,
      `${header}.${payload}.${signature}A`,
      JSON.stringify({ payload, protected: header, signature }),
      twice,
      "x".repeat(20_000),
    ])
      expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
  });

  it.each(["scope", "login_hint", "redirect_uri", "state", "resource", "something_else"])(
    "Q14 is refused with %s beside it, the same or not",
    async (name) => {
      const same = (parameters() as Record<string, string>)[name] ?? "x";
      for (const value of [same, "other"])
        expect(await send(door, await sign(), { [name]: value })).toMatchObject({
          status: 400,
          body: { error: "invalid_request" },
        });
    },
  );

  it("J27 asks once", async () => {
    const request = await sign();
    expect((await send(door, request)).status).toBe(status);
    expect((await send(door, request)).status).toBeGreaterThanOrEqual(400);
  });

  it("J27 asks once, of twenty at once", async () => {
    const request = await sign();
    await send(door, "warm up for a nonce");
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(door, request)));
    expect(answers.filter((answer) => answer.status === status)).toHaveLength(1);
  });

  it("J26 is no client assertion, no assertion is a request, and neither are a proof or a token", async () => {
    const client = await webApp(world);
    const asAssertion = await client.form(door, async () => ({
      ...parameters(),
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: await sign(),
    }));
    expect(asAssertion).toMatchObject({ status: 401, body: { error: "invalid_client" } });
    const assertion = await signRaw({ alg: "ES256", kid: "web" }, assertionClaims(client), world.webKey.privateJwk);
    const proof = await client.proof("POST", world.issuer + door);
    for (const request of [assertion, proof])
      expect((await send(door, request)).body).toMatchObject({ error: "invalid_request_object" });
  });
});

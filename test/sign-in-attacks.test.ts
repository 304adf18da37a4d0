import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { exportSPKI, importJWK, SignJWT } from "jose";
import { freePort } from "../demo/free-port.ts";
import { startHostileProvider, type HostileProvider, type Lies } from "./support/hostile-provider.ts";
import { SsoBrowser } from "./support/sso-browser.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let provider: HostileProvider;
beforeAll(async () => {
  const issuer = `http://localhost:${await freePort()}`;
  provider = await startHostileProvider(issuer, "stint");
  world = await startTestWorld({ secrets: { SSO_SECRET: "s" }, adjust: (document) => withSso(document, issuer) });
});
afterAll(async () => {
  await provider?.close();
  await world?.close();
});
beforeEach(() => {
  provider.lies = {};
  provider.asked.length = 0;
});

function withSso(document: Record<string, unknown>, issuer: string, changes: object = {}): Record<string, unknown> {
  const { people } = document as { people: { id: string; name: string; identities?: object[] }[] };
  return {
    ...document,
    sso: { issuer, client_id: "stint", client_secret: { secret: "SSO_SECRET" }, ...changes },
    people: people.map((person) => ({
      ...person,
      identities: [{ issuer, subject: `u-${person.name.toLowerCase()}` }],
    })),
  };
}

/** Signs in against a provider that lies. */
async function signIn(lies: Lies, issuer = provider.issuer) {
  const browser = new SsoBrowser(world);
  const address = await browser.begin();
  provider.nonce = address.searchParams.get("nonce") ?? "";
  provider.lies = lies;
  const page = await browser.return({ code: "c", state: address.searchParams.get("state") ?? "", iss: issuer });
  return { status: page.status, cookie: browser.visitor.cookies.get("stint_person"), html: page.html };
}

const now = Math.floor(Date.now() / 1000);
const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const parts = (token: string): [string, string, string] => token.split(".") as [string, string, string];

describe("an identity provider's word, when it is wrong (groups S and J)", () => {
  it("signs in by a right one, and tells the provider which secret and verifier", async () => {
    expect(await signIn({})).toMatchObject({ status: 303 });
    expect(new URLSearchParams(provider.asked[0])).toMatchObject({ size: 4 });
    expect(new URLSearchParams(provider.asked[0]).get("code_verifier")).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it.each<[string, Lies]>([
    ["S05 alg none", { token: (right) => `${b64({ alg: "none" })}.${parts(right)[1]}.` }],
    ["S05 alg None", { token: (right) => `${b64({ alg: "None" })}.${parts(right)[1]}.AAAA` }],
    [
      "S05 HS256 by the public key",
      {
        token: async (right, jwk) => {
          const pem = await exportSPKI((await importJWK(jwk, "RS256")) as CryptoKey);
          const claims = JSON.parse(Buffer.from(parts(right)[1], "base64url").toString()) as Record<string, unknown>;
          return new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "idp" }).sign(Buffer.from(pem));
        },
      },
    ],
    [
      "S05 HS256 by the client's secret",
      {
        token: async (right) => {
          const claims = JSON.parse(Buffer.from(parts(right)[1], "base64url").toString()) as Record<string, unknown>;
          return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from("s"));
        },
      },
    ],
    ["a signature that was cut", { token: (right) => right.slice(0, -8) }],
    [
      "a signature of another token",
      { token: (right) => `${parts(right)[0]}.${b64({ sub: "u-sam" })}.${parts(right)[2]}` },
    ],
    ["no ID token at all", { answer: { status: 200, body: '{"access_token":"x","token_type":"Bearer"}' } }],
    ["J15 a JSON serialisation", { token: (right) => JSON.stringify({ payload: parts(right)[1] }) }],
    ["J17 padding", { token: (right) => `${parts(right)[0]}=.${parts(right)[1]}.${parts(right)[2]}` }],
    ["J17 a line feed", { token: (right) => `${right}\n` }],
    [
      "J18 a subject that stands twice",
      {
        token: (right) => {
          const claims = Buffer.from(parts(right)[1], "base64url").toString();
          const twice = Buffer.from(`{"sub":"u-sam",${claims.slice(1)}`).toString("base64url");
          return `${parts(right)[0]}.${twice}.${parts(right)[2]}`;
        },
      },
    ],
    ["S07 expired", { claims: { exp: now - 300 } }],
    ["S07 no exp", { claims: { exp: undefined } }],
    ["issued in an hour", { claims: { iat: now + 3600, nbf: now + 3600 } }],
    ["S08 iss with a slash more", { claims: { iss: "http://localhost/" } }],
    ["another iss", { claims: { iss: "https://evil.example" } }],
    ["no iss", { claims: { iss: undefined } }],
    ["another audience", { claims: { aud: "somebody-else" } }],
    ["two audiences and no azp", { claims: { aud: ["stint", "somebody-else"] } }],
    ["two audiences, for the other", { claims: { aud: ["stint", "somebody-else"], azp: "somebody-else" } }],
    ["no audience", { claims: { aud: undefined } }],
    ["another nonce", { claims: { nonce: "x" } }],
    ["no nonce", { claims: { nonce: undefined } }],
    ["no auth_time, though max_age was asked for", { claims: { auth_time: undefined } }],
    ["an auth_time an hour ago", { claims: { auth_time: now - 3600 } }],
    ["an auth_time that is a text", { claims: { auth_time: String(now) } }],
    ["no subject", { claims: { sub: undefined } }],
    ["a subject that is a number", { claims: { sub: 7 } }],
    ["a subject that is an object", { claims: { sub: { toString: 1 } } }],
    ["an acr that is no text", { claims: { acr: ["urn:example:mfa"] } }],
    [
      "S09 the address of somebody who is here",
      { claims: { sub: "dana@acme.example", email: "dana@acme.example", email_verified: false } },
    ],
    ["an error", { answer: { status: 400, body: '{"error":"invalid_grant"}' } }],
  ])("refuses %s", async (_, lies) => {
    const { status, cookie } = await signIn(lies);
    expect([status, cookie]).toEqual([403, undefined]);
  });

  it.each<[string, Lies]>([
    ["a kid that it does not publish", { header: { kid: "another" } }],
    ["500", { answer: { status: 500, body: "{}" } }],
    ["HTML", { answer: { status: 200, body: "<html>" } }],
    ["more than it may", { answer: { status: 200, body: JSON.stringify({ x: "x".repeat(300 * 1024) }) } }],
  ])("FK says that the provider is not there, for %s", async (_, lies) => {
    const { status, cookie, html } = await signIn(lies);
    expect([status, cookie]).toEqual([503, undefined]);
    expect(html).toContain("cannot be reached");
  });

  it.each<[string, Lies]>([
    ["HTML", { discoveryAnswer: { status: 200, type: "text/html", body: "<html>" } }],
    ["an error", { discoveryAnswer: { status: 500, type: "application/json", body: "{}" } }],
    ["a redirect", { discoveryAnswer: { status: 302, type: "application/json", body: "{}" } }],
    ["the name of another", { discovery: { issuer: "https://evil.example" } }],
    ["a name that differs by a slash", { discovery: { issuer: "SLASH" } }],
    ["no place to sign in", { discovery: { authorization_endpoint: undefined } }],
    ["a place that is no web address", { discovery: { authorization_endpoint: "javascript:alert(1)" } }],
  ])("FK sends nobody to a provider that publishes %s", async (name, lies) => {
    // What a provider published is believed for a minute, so each of these is a provider of its own.
    const issuer = `${provider.issuer}/${encodeURIComponent(name).replaceAll("%", "")}`;
    provider.lies = lies.discovery?.["issuer"] === "SLASH" ? { discovery: { issuer: `${issuer}/` } } : lies;
    const { status } = await world.broker.admin("POST", "/admin/tenant", withSso(world.document, issuer));
    expect(status).toBe(200);
    const browser = new SsoBrowser(world);
    const page = await browser.visitor.post("/sign-in/sso", { purpose: "inbox" });
    expect([page.status, page.location]).toEqual([503, null]);
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("V06 sends the code to the provider that the document names, whichever published the token endpoint", async () => {
    const issuer = `${provider.issuer}/elsewhere`;
    provider.lies = { discovery: { token_endpoint: `${world.issuer}/oauth/token` } };
    await world.broker.admin("POST", "/admin/tenant", withSso(world.document, issuer));
    expect((await signIn(provider.lies, issuer)).status).toBe(503);
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });
});

describe("what a document may say of single sign-on", () => {
  const problemsOf = async (document: object) =>
    (await world.broker.admin("POST", "/admin/tenant", document)).body["problems"] as { path: string }[] | undefined;

  it.each<[string, (document: Record<string, unknown>) => object, string]>([
    [
      "a policy that demands it, and none",
      (rest) => ({ ...rest, sso: undefined, policies: [{ ...(rest["policies"] as object[])[0], assurance: "sso" }] }),
      "/policies/0/assurance",
    ],
    [
      "both, and none",
      (rest) => ({
        ...rest,
        sso: undefined,
        policies: [{ ...(rest["policies"] as object[])[0], assurance: "sso+passkey" }],
      }),
      "/policies/0/assurance",
    ],
    ["no secret", (document) => withSso(document, provider.issuer, { client_secret: undefined }), "/sso/client_secret"],
    [
      "a secret without use",
      (document) => withSso(document, provider.issuer, { token_endpoint_auth_method: "none" }),
      "/sso/client_secret",
    ],
    [
      "a secret in plain",
      (document) => withSso(document, provider.issuer, { client_secret: "s" }),
      "/sso/client_secret",
    ],
    ["an age that is none", (document) => withSso(document, provider.issuer, { max_age: "0s" }), "/sso/max_age"],
    ["a scope without openid", (document) => withSso(document, provider.issuer, { scope: "email" }), "/sso/scope"],
    [
      "a role with no group",
      (document) => withSso(document, provider.issuer, { roles: { approver: [] } }),
      "/sso/roles/approver",
    ],
    ["an unknown role", (document) => withSso(document, provider.issuer, { roles: { root: ["x"] } }), "/sso/roles"],
    ["an unknown word", (document) => withSso(document, provider.issuer, { userinfo: true }), "/sso"],
    ["a provider that is no address", (document) => withSso(document, "idp"), "/sso/issuer"],
  ])("refuses %s", async (_, change, path) => {
    const problems = await problemsOf(change(world.document));
    expect(problems?.map((problem) => problem.path)).toContain(path);
  });
});

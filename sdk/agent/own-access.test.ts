import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import {
  foreignFetch,
  ISSUER,
  OTHER_ISSUER,
  RESOURCE,
  type Parts,
  type Seen,
} from "../../test/support/foreign-world.ts";
import { newProofKey } from "../shared/proof-key.ts";
import { enterpriseAssertion } from "./enterprise-assertion.ts";
import { assertionAccess, credentialsAccess, type Assert, type CredentialsAccessOptions } from "./own-access.ts";
import type { RegisteredClient } from "./registered-client.ts";

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag";
const SECRET = { method: "client_secret_basic", secret: "the-secret" } as const;
const CLIENT = { issuer: ISSUER, clientId: "nightly", authentication: SECRET } as const;
const WORKLOAD: RegisteredClient = { issuer: ISSUER, clientId: "workload", authentication: { method: "none" } };
const grants = { grant_types_supported: ["client_credentials", JWT_BEARER] };

const formIn = ({ body }: Seen) => Object.fromEntries(new URLSearchParams(body));
const posted = (seen: readonly Seen[]) => seen.filter(({ body }) => body !== "");

function byCredentials(parts: Parts = {}, options: Partial<CredentialsAccessOptions> = {}) {
  const world = foreignFetch({ ...parts, server: { ...grants, ...parts.server } });
  return { ...world, call: credentialsAccess({ resource: RESOURCE, client: CLIENT, fetch: world.fetch, ...options }) };
}

function byAssertion(parts: Parts = {}, assertion: Assert = async () => "an.assertion", client = WORKLOAD) {
  const world = foreignFetch({ ...parts, server: { ...grants, ...parts.server } });
  return { ...world, call: assertionAccess({ resource: RESOURCE, client, assertion, fetch: world.fetch }) };
}

describe("access by a program's own credentials", () => {
  it("asks for what its owner said, for this resource, bound to its key", async () => {
    const { call, seen, tokenRequests } = byCredentials({}, { scope: "things:read" });
    expect(await (await call(RESOURCE, { method: "POST", body: "{}" })).text()).toBe("ok");
    const [request] = tokenRequests();
    expect(formIn(request!)).toEqual({ grant_type: "client_credentials", scope: "things:read", resource: RESOURCE });
    expect(request!.headers.get("authorization")).toBe(`Basic ${btoa("nightly:the-secret")}`);
    expect(decodeJwt(request!.headers.get("dpop")!)).toMatchObject({ htm: "POST", htu: `${ISSUER}/oauth/token` });
    expect(seen.at(-1)!.headers.get("authorization")).toBe("DPoP t");
  });

  it("proves a key where it was registered with one", async () => {
    const key = { ...(await newProofKey()), alg: "ES256" };
    const authentication = { method: "private_key_jwt", key } as const;
    const { call, tokenRequests } = byCredentials({}, { client: { ...CLIENT, authentication } });
    await call(RESOURCE);
    const { client_assertion = "", ...form } = formIn(tokenRequests()[0]!);
    expect(form).toMatchObject({ grant_type: "client_credentials", client_id: "nightly" });
    expect(decodeJwt(client_assertion)).toMatchObject({ iss: "nightly", sub: "nightly", aud: ISSUER });
  });

  it.each<[string, Parts, string]>([
    ["of another issuer", { about: { authorization_servers: [OTHER_ISSUER] } }, "unregistered_client"],
    [
      "of another issuer in the name of this one",
      { about: { authorization_servers: [OTHER_ISSUER] }, server: { issuer: ISSUER } },
      "invalid_metadata",
    ],
    ["without that grant", { server: { grant_types_supported: ["authorization_code"] } }, "invalid_metadata"],
    ["that names no grants", { server: { grant_types_supported: undefined } }, "invalid_metadata"],
    ["that binds tokens to no key", { server: { dpop_signing_alg_values_supported: undefined } }, "invalid_metadata"],
    [
      "whose token endpoint has no TLS",
      { server: { token_endpoint: "http://stint.test/oauth/token" } },
      "invalid_metadata",
    ],
    [
      "whose token endpoint is on this machine",
      { server: { token_endpoint: "http://localhost:9/" } },
      "invalid_metadata",
    ],
    ["for another resource", { about: { resource: "https://tickets.test/other" } }, "invalid_metadata"],
    [
      "of a resource without metadata",
      { instead: ({ url }) => (url.includes("protected-resource") ? new Response(null, { status: 404 }) : undefined) },
      "invalid_metadata",
    ],
  ])("sends its secret to no server %s", async (_, parts, code) => {
    const { call, seen } = byCredentials(parts);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code });
    expect([posted(seen), seen.filter(({ headers }) => headers.has("authorization"))]).toEqual([[], []]);
  });

  it("goes to its issuer where a resource names several", async () => {
    const { call, tokenRequests } = byCredentials({ about: { authorization_servers: [OTHER_ISSUER, ISSUER] } });
    expect((await call(RESOURCE)).status).toBe(200);
    expect(tokenRequests().map(({ url }) => url)).toEqual([`${ISSUER}/oauth/token`]);
  });

  it("widens nothing because a server says so", async () => {
    const challenge = 'DPoP error="insufficient_scope", scope="things:write"';
    const answer = () => new Response(null, { status: 403, headers: { "www-authenticate": challenge } });
    const { call, tokenRequests } = byCredentials({ answer }, { scope: "things:read" });
    expect((await call(RESOURCE)).status).toBe(403);
    expect((await call(RESOURCE)).status).toBe(403);
    expect(tokenRequests().map((one) => formIn(one)["scope"])).toEqual(["things:read"]);
  });

  it("asks again when what opened the door opens it no more, and not where nothing ever did", async () => {
    const answers = [new Response("ok"), new Response(null, { status: 401 })];
    const lasting = byCredentials({ answer: () => answers.shift() ?? new Response("again") });
    await lasting.call(RESOURCE);
    expect(await (await lasting.call(RESOURCE)).text()).toBe("again");
    expect(lasting.tokenRequests()).toHaveLength(2);
    const never = byCredentials({ answer: () => new Response(null, { status: 401 }) });
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await never.call(RESOURCE)).status).toBe(401);
    expect(never.tokenRequests()).toHaveLength(1);
  });

  it("takes no redirect of the token endpoint, nor a token that is bound to no key", async () => {
    const location = "https://evil.test/";
    const led = byCredentials({
      instead: ({ url }) =>
        url.endsWith("/oauth/token") ? new Response(null, { status: 307, headers: { location } }) : undefined,
    });
    await expect(led.call(RESOURCE)).rejects.toMatchObject({ status: 307 });
    expect(led.seen.filter(({ url }) => url.includes("evil"))).toEqual([]);
    const unbound = byCredentials({ token: { token_type: "Bearer" } });
    await expect(unbound.call(RESOURCE)).rejects.toMatchObject({ code: "invalid_token_answer" });
  });
});

describe("access by an assertion (RFC 7523)", () => {
  it("is asked for at the one issuer, for this resource", async () => {
    const asked: unknown[] = [];
    const { call, tokenRequests } = byAssertion({}, async (ask) => {
      asked.push(ask);
      return "an.assertion";
    });
    expect((await call(RESOURCE)).status).toBe(200);
    expect(asked).toEqual([{ issuer: ISSUER, resource: RESOURCE }]);
    expect(tokenRequests().map(formIn)).toEqual([
      { grant_type: JWT_BEARER, assertion: "an.assertion", resource: RESOURCE, client_id: "workload" },
    ]);
  });

  it("makes none for a server of another issuer, or without that grant", async () => {
    for (const parts of [
      { about: { authorization_servers: [OTHER_ISSUER] } },
      { server: { grant_types_supported: ["client_credentials"] } },
    ]) {
      const { call, seen } = byAssertion(parts, () => Promise.reject(new Error("made one")));
      await expect(call(RESOURCE)).rejects.not.toThrow("made one");
      expect(posted(seen)).toEqual([]);
    }
  });

  it.each(["invalid_grant", "invalid_scope", "unauthorized_client"])(
    "says what was refused, and tries no other way: %s",
    async (error) => {
      const refuse = ({ url }: Seen) =>
        url.endsWith("/oauth/token") ? Response.json({ error }, { status: 400 }) : undefined;
      const { call, tokenRequests } = byAssertion({ instead: refuse });
      await expect(call(RESOURCE)).rejects.toMatchObject({ code: error });
      expect(tokenRequests()).toHaveLength(1);
    },
  );

  it("has a human asked once at most", async () => {
    const pending = ({ url }: Seen) =>
      url.endsWith("/oauth/token") ? Response.json({ error: "authorization_pending" }, { status: 400 }) : undefined;
    const { call, tokenRequests } = byAssertion({ instead: pending });
    for (let attempt = 0; attempt < 3; attempt += 1)
      await expect(call(RESOURCE)).rejects.toMatchObject({ code: "authorization_pending" });
    expect(tokenRequests()).toHaveLength(1);
  });
});

describe("the assertion of an enterprise (ID-JAG)", () => {
  const IDP = { issuer: OTHER_ISSUER, clientId: "at-idp", authentication: { method: "none" } } as const;
  const idp = { grant_types_supported: [TOKEN_EXCHANGE, JWT_BEARER], dpop_signing_alg_values_supported: ["ES256"] };
  const issued = { access_token: "an.id.jag", issued_token_type: ID_JAG, token_type: "N_A" };
  const byEnterprise = (answer: Record<string, unknown> = issued, parts: Parts = {}) => {
    const world = foreignFetch({
      server: idp,
      instead: ({ url }) => (url === `${OTHER_ISSUER}/oauth/token` ? Response.json(answer) : undefined),
      ...parts,
    });
    const assertion = enterpriseAssertion({ client: IDP, idToken: async () => "an.id.token", fetch: world.fetch });
    const call = assertionAccess({ resource: RESOURCE, client: CLIENT, assertion, scope: "a b", fetch: world.fetch });
    return { ...world, call };
  };

  it("is exchanged for the person's ID token, which only the provider sees", async () => {
    const { call, seen, tokenRequests } = byEnterprise();
    expect((await call(RESOURCE)).status).toBe(200);
    const [atIdp, atServer] = tokenRequests();
    expect(atIdp!.url).toBe(`${OTHER_ISSUER}/oauth/token`);
    expect(formIn(atIdp!)).toEqual({
      grant_type: TOKEN_EXCHANGE,
      requested_token_type: ID_JAG,
      audience: ISSUER,
      resource: RESOURCE,
      scope: "a b",
      subject_token: "an.id.token",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      client_id: "at-idp",
    });
    expect(formIn(atServer!)).toEqual({
      grant_type: JWT_BEARER,
      assertion: "an.id.jag",
      resource: RESOURCE,
      scope: "a b",
    });
    expect(atServer!.headers.get("authorization")).toBe(`Basic ${btoa("nightly:the-secret")}`);
    expect(seen.filter(({ body }) => body.includes("an.id.token"))).toEqual([atIdp]);
    expect(atIdp!.headers.has("authorization")).toBe(false);
  });

  it.each([
    { ...issued, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" },
    { ...issued, issued_token_type: undefined },
    { ...issued, access_token: undefined },
    {},
  ])("is nothing else that the provider issues: %j", async (answer) => {
    const { call, seen } = byEnterprise(answer);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_token_answer" });
    expect(seen.filter(({ url, body }) => url.startsWith(ISSUER) && body !== "")).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["without that grant", { grant_types_supported: [JWT_BEARER] }],
    ["of another name", { issuer: "https://evil.test" }],
    ["whose token endpoint has no TLS", { token_endpoint: "http://other.test/oauth/token" }],
    ["whose token endpoint is on this machine", { token_endpoint: "http://localhost:9/" }],
  ])("has the ID token shown to no provider %s", async (_, changes) => {
    const lying = ({ url }: Seen) =>
      url === `${OTHER_ISSUER}/.well-known/oauth-authorization-server`
        ? Response.json({ issuer: OTHER_ISSUER, token_endpoint: `${OTHER_ISSUER}/oauth/token`, ...idp, ...changes })
        : undefined;
    const { call, seen } = byEnterprise(issued, { instead: lying });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect(posted(seen)).toEqual([]);
  });
});

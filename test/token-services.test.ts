import { randomUUID } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StintClient } from "../cli/agent-client.ts";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { nowSeconds, signRaw } from "./support/forge.ts";
import { newClientKey, startOAuthWorld, TICKETS, type ClientKey, type OAuthWorld } from "./support/oauth-world.ts";
import { authenticated, nextWebApp, plainForm, web, webApp, type Fields } from "./support/oauth-requests.ts";
import { approvedSession, tokenOf } from "./support/world.ts";

const IDP = "https://idp.example";
let world: OAuthWorld;
let idpKey: ClientKey;
beforeAll(async () => {
  idpKey = await newClientKey("idp");
  world = await startOAuthWorld({
    adjust: (document) => ({
      ...document,
      identity_providers: [{ issuer: IDP, jwks: { keys: [idpKey.publicJwk] } }],
      people: [
        ...(document["people"] as object[]),
        { id: "kim@acme.example", name: "Kim", identities: [{ issuer: IDP, subject: "u-123" }] },
      ],
    }),
  });
});
afterAll(() => world?.close());

const JWT = "urn:ietf:params:oauth:token-type:jwt";
const proxy = (): string => `${world.issuer}/proxy/github`;

describe("the actor token (RFC 8693 §2.1, X19)", () => {
  const claims = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
    iss: "tickets",
    sub: "tickets",
    aud: world.issuer,
    jti: randomUUID(),
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    ...changes,
  });
  const sign = (changes: Record<string, unknown> = {}, header: object = {}): Promise<string> =>
    signRaw({ alg: "ES256", kid: "server", ...header }, claims(changes), world.keys.server.privateJwk);
  async function exchange(actor_token: string, changes: Record<string, string> = {}) {
    const server = await world.server();
    const { serverToken } = await approvedSession(world);
    return server.exchange(await serverToken(), proxy(), { actor_token, actor_token_type: JWT, ...changes }, true);
  }

  it("says who acts, which the answer's act repeats", async () => {
    const answer = await exchange(await sign());
    expect(answer.status).toBe(200);
    expect(claimsOf(tokenOf(answer))).toMatchObject({ act: { sub: "tickets" } });
  });

  it.each<[string, Record<string, unknown>, object]>([
    ["by another server", { iss: "notes", sub: "notes" }, {}],
    ["about somebody else", { sub: "triage-bot" }, {}],
    ["for another audience", { aud: "https://elsewhere.example" }, {}],
    ["that has ended", { exp: nowSeconds() - 1 }, {}],
    ["that lives too long", { exp: nowSeconds() + 4000 }, {}],
    ["without an end", { exp: undefined }, {}],
    ["without jti", { jti: undefined }, {}],
    ["of another typ", {}, { typ: "at+jwt" }],
    ["of an unknown key", {}, { kid: "nobody" }],
  ])("refuses one %s", async (_, changes, header) => {
    expect(await exchange(await sign(changes, header))).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
  });

  it("refuses one without its type, of another type, forged, or the same as the subject", async () => {
    const good = await sign();
    const forged = await signRaw({ alg: "ES256", kid: "server" }, claims(), idpKey.privateJwk);
    const server = await world.server();
    const { serverToken } = await approvedSession(world);
    const subject = await serverToken();
    const all: Record<string, string>[] = [
      { actor_token: good },
      { actor_token_type: JWT },
      { actor_token: good, actor_token_type: "urn:ietf:params:oauth:token-type:access_token" },
      { actor_token: forged, actor_token_type: JWT },
      { actor_token: subject, actor_token_type: JWT },
    ];
    for (const fields of all)
      expect(await server.exchange(subject, proxy(), fields, true)).toMatchObject({
        status: 400,
        body: { error: "invalid_request" },
      });
  });

  it("takes one once, and none from an agent", async () => {
    const once = await sign();
    expect((await exchange(once)).status).toBe(200);
    expect((await exchange(once)).status).toBe(401);
    const { agent, sessionToken } = await approvedSession(world);
    const fields = { actor_token: await sign(), actor_token_type: JWT };
    for (const authenticate of [false, true])
      expect((await agent.exchange(sessionToken, proxy(), fields, authenticate)).body).toMatchObject({
        error: "invalid_request",
      });
  });
});

describe("scope in an exchange", () => {
  it("narrows as authorization_details do, and X14 never widens", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const narrowed = await agent.exchange(sessionToken, proxy(), { scope: "github:issues:read@acme/api" });
    expect(narrowed).toMatchObject({ status: 200, body: { scope: "github:issues:read@acme/api" } });
    for (const scope of ["github:issues:read@acme/web", "mcp:tickets:open_issue", "github:contents:read@acme/api"])
      expect(await agent.exchange(sessionToken, proxy(), { scope })).toMatchObject({
        status: 400,
        body: { error: "invalid_scope" },
      });
  });
});

describe("signed introspection (RFC 9701)", () => {
  const ask = async (client: StintClient, token: string, accept: string) => {
    const response = await fetch(`${world.issuer}/oauth/introspect`, {
      method: "POST",
      headers: { accept, "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ token, ...(await client.assertion()) }),
    });
    return { type: response.headers.get("content-type") ?? "", text: await response.text() };
  };

  it("is for the asker alone, by a key that signs nothing else", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const { type, text } = await ask(agent, sessionToken, "application/token-introspection+jwt");
    expect(type).toBe("application/token-introspection+jwt");
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as JSONWebKeySet;
    const { payload } = await jwtVerify(text, createLocalJWKSet(jwks), {
      typ: "token-introspection+jwt",
      issuer: world.issuer,
      audience: agent.clientId,
    });
    expect(Object.keys(payload).toSorted()).toEqual(["aud", "iat", "iss", "token_introspection"]);
    expect(payload["token_introspection"]).toMatchObject({ active: true, aud: world.issuer });
    expect(decodeProtectedHeader(text).kid).not.toBe(decodeProtectedHeader(sessionToken).kid);
    expect((await agent.introspect(text)).body).toEqual({ active: false });
  });

  it.each(["application/json", "*/*", "text/html, application/json;q=0.9"])(
    "is plain for Accept: %s",
    async (accept) => {
      const { agent, sessionToken } = await approvedSession(world);
      const { type, text } = await ask(agent, sessionToken, accept);
      expect(type).toContain("application/json");
      expect(JSON.parse(text)).toMatchObject({ active: true });
    },
  );
});

describe("revocation (RFC 7009)", () => {
  it("R01 leaves another client's token alone, and R02 R06 answers for every token the same", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const other = await webApp(world);
    for (const token of [sessionToken, "unknown", ""]) {
      const answer = await authenticated(other, "/oauth/revoke", { token, token_type_hint: "refresh_token" });
      expect(answer.status).toBe(token === "" ? 400 : 200);
    }
    expect((await agent.introspect(sessionToken)).body["active"]).toBe(true);
    await authenticated(agent, "/oauth/revoke", { token: sessionToken, token_type_hint: "refresh_token" });
    expect((await agent.introspect(sessionToken)).body).toEqual({ active: false });
  });

  it("takes a public client by its name, and its own tokens alone", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const answer = await plainForm(`${world.issuer}/oauth/revoke`, { token: sessionToken, client_id: "native-app" });
    expect(answer.status).toBe(200);
    expect((await agent.introspect(sessionToken)).body["active"]).toBe(true);
    const posing = await plainForm(`${world.issuer}/oauth/revoke`, { token: sessionToken, client_id: agent.clientId });
    expect(posing.status).toBe(401);
  });

  it("cascades to everything that was minted from the first token", async () => {
    const { agent, sessionToken, serverToken } = await approvedSession(world);
    const server = await world.server();
    const given = await serverToken();
    const onward = tokenOf(await server.exchange(given, proxy(), {}, true));
    await authenticated(agent, "/oauth/revoke", { token: sessionToken });
    for (const token of [given, onward]) expect((await server.introspect(token)).body).toEqual({ active: false });
    expect((await server.exchange(given, proxy(), {}, true)).body).toMatchObject({ error: "invalid_request" });
    expect((await server.call(onward, "POST", "/proxy/github/repos/acme/api/issues", { title: "x" })).status).toBe(401);
  });
});

describe("revocation of another token than the first", () => {
  const revoke = (agent: StintClient, token: string) => authenticated(agent, "/oauth/revoke", { token });
  const revoked = async (sessionId: string) =>
    (await auditRows(world)).filter(({ source, type }) => source === sessionId && type === "token.revoked").length;

  it("P4 takes all that was minted from it along, and leaves the rest of the session at work", async () => {
    const { agent, sessionId, sessionToken, serverToken } = await approvedSession(world);
    const server = await world.server();
    const [given, another] = [await serverToken(), await serverToken()];
    const onward = tokenOf(await server.exchange(given, proxy(), {}, true));
    const other = tokenOf(await server.exchange(another, proxy(), {}, true));
    await revoke(agent, given);
    for (const token of [given, onward]) expect((await server.introspect(token)).body).toEqual({ active: false });
    const open = (token: string) =>
      server.call(token, "POST", "/proxy/github/repos/acme/api/issues", { title: "After a revocation" });
    expect((await open(onward)).status).toBe(401);
    expect((await server.exchange(given, proxy(), {}, true)).body).toMatchObject({ error: "invalid_request" });
    for (const token of [another, other]) expect((await server.introspect(token)).body["active"]).toBe(true);
    expect((await open(other)).status).toBe(201);
    expect((await agent.exchange(sessionToken, proxy())).status).toBe(200);
    await until("both events", async () => (await revoked(sessionId)) === 2 || undefined);
    await revoke(agent, given);
    expect(await revoked(sessionId)).toBe(2);
  });

  it("R06 changes nothing in a session that is over, and writes nothing down", async () => {
    const { agent, sessionId, sessionToken, serverToken } = await approvedSession(world);
    const given = await serverToken();
    await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    const rowsOf = async () => (await auditRows(world)).filter(({ source }) => source === sessionId);
    await until("the receipt", async () => (await rowsOf()).find(({ type }) => type === "receipt.signed"));
    const before = (await rowsOf()).length;
    expect((await revoke(agent, given)).status).toBe(200);
    // A row that comes after it: whatever the revocation had written would be here by then.
    expect((await agent.exchange(sessionToken, proxy())).status).toBe(400);
    await until("the refusal", async () => (await rowsOf())[before]);
    expect((await rowsOf()).slice(before).map(({ type }) => type)).toEqual(["refused"]);
  });
});

describe("the identity assertion of an enterprise (ID-JAG)", () => {
  const SCOPE = "github:issues:read@acme/api mcp:tickets:open_issue";
  const claims = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
    iss: IDP,
    sub: "u-123",
    aud: world.issuer,
    client_id: web.client_id,
    jti: randomUUID(),
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    ...changes,
  });
  const sign = (changes: Record<string, unknown> = {}, header: object = {}): Promise<string> =>
    signRaw({ alg: "ES256", typ: "oauth-id-jag+jwt", kid: "idp", ...header }, claims(changes), idpKey.privateJwk);
  const present = async (assertion: string, changes: Fields = {}, client?: StintClient) =>
    authenticated(client ?? (await webApp(world)), "/oauth/token", {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion,
      scope: SCOPE,
      ...changes,
    });

  it("opens a session that waits for its human, and names for whom the agent works", async () => {
    nextWebApp();
    const client = await webApp(world);
    const opened = await present(await sign(), { binding_message: "Triage" }, client);
    expect(opened).toMatchObject({ status: 400, body: { error: "authorization_pending", interval: 2 } });
    expect(opened.body).not.toHaveProperty("access_token");
    const handle = String(opened.body["auth_req_id"]);
    expect((await client.poll(handle)).body).toMatchObject({ error: "authorization_pending" });
    const approver = await Approver.bySlack(world, "dana", `ses_${handle.slice(4, 26)}`);
    const { html } = await approver.view();
    expect(html).toContain("Kim (kim@acme.example)");
    await approver.review();
    await approver.decide("approve");
    const redeemed = await client.poll(handle);
    expect(claimsOf(tokenOf(redeemed))).toMatchObject({ sub: "kim@acme.example", client_id: web.client_id });
  });

  const now = nowSeconds();
  it.each<[string, Record<string, unknown>, object]>([
    ["of an unknown identity provider", { iss: "https://other.example" }, {}],
    ["S08 of its issuer with a slash", { iss: `${IDP}/` }, {}],
    ["for another audience", { aud: "https://elsewhere.example" }, {}],
    ["for our token endpoint", { aud: "endpoint" }, {}],
    ["for two audiences", { aud: "two" }, {}],
    ["for another client", { client_id: "triage-bot" }, {}],
    ["for no client", { client_id: undefined }, {}],
    ["about nobody here", { sub: "u-999" }, {}],
    ["S09 about an address", { sub: "kim@acme.example", email: "kim@acme.example" }, {}],
    ["without sub", { sub: undefined }, {}],
    ["S07 that has ended", { exp: now - 1 }, {}],
    ["that lives too long", { exp: now + 4000 }, {}],
    ["without end", { exp: undefined }, {}],
    ["without iat", { iat: undefined }, {}],
    ["from the future", { iat: now + 600 }, {}],
    ["without jti", { jti: undefined }, {}],
    ["that is an ID token", {}, { typ: "JWT" }],
    ["without typ", {}, { typ: undefined }],
    ["that is an access token", {}, { typ: "at+jwt" }],
    ["by an unknown key", {}, { kid: "nobody" }],
    ["J33 with a scope that is no text", { scope: ["x"] }, {}],
  ])("refuses one %s", async (_, changes, header) => {
    nextWebApp();
    const meant: Record<string, unknown> = { endpoint: `${world.issuer}/oauth/token`, two: [world.issuer, IDP] };
    const real = {
      ...changes,
      ...(typeof changes["aud"] === "string" ? { aud: meant[changes["aud"]] ?? changes["aud"] } : {}),
    };
    expect(await present(await sign(real, header))).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("refuses what goes beyond the enterprise's scope or resource", async () => {
    nextWebApp();
    const scope = "github:issues:read@acme/api";
    expect((await present(await sign({ scope }))).body).toMatchObject({ error: "invalid_scope" });
    expect((await present(await sign({ resource: TICKETS }))).body).toMatchObject({ error: "invalid_target" });
    expect((await present(await sign({ resource: "https://elsewhere.example" }))).body).toMatchObject({
      error: "invalid_target",
    });
    const fits = await present(await sign({ resource: proxy(), scope }), { scope: undefined });
    expect(fits.body).toMatchObject({ error: "authorization_pending" });
  });

  it("J27 takes one once, and none without client authentication or proof", async () => {
    nextWebApp();
    const once = await sign();
    expect((await present(once)).body).toMatchObject({ error: "authorization_pending" });
    expect((await present(once)).body).toMatchObject({ error: "invalid_dpop_proof" });
    const fields = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: await sign(), scope: SCOPE };
    expect((await plainForm(`${world.issuer}/oauth/token`, fields)).status).toBe(401);
    const client = await webApp(world);
    const unproven = await plainForm(`${world.issuer}/oauth/token`, { ...fields, ...(await client.assertion()) });
    expect(unproven.body).toMatchObject({ error: "invalid_dpop_proof" });
    expect((await present(await sign(), {}, await world.server())).body).toMatchObject({
      error: "unauthorized_client",
    });
  });
});

describe("the keys that sign (group Y)", () => {
  interface Key {
    readonly kid: string;
    readonly use: string;
    readonly status: string;
    readonly signs_from: number;
    readonly verify_until: number | null;
  }
  const keys = async (): Promise<Key[]> => (await world.broker.admin("GET", "/admin/keys")).body["keys"] as Key[];
  const published = async (): Promise<string[]> => {
    const { keys: all } = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as JSONWebKeySet;
    return all.map(({ kid }) => String(kid));
  };

  it("Y05 differ for every use, and Y04 show no private part", async () => {
    const all = await keys();
    expect(new Set(all.map(({ use }) => use)).size).toBe(7);
    expect(new Set(all.map(({ kid }) => kid)).size).toBe(all.length);
    expect(await (await fetch(`${world.issuer}/oauth/jwks`)).text()).not.toContain('"d"');
    for (const { kid } of all.filter(({ use }) => ["approval_link", "invitation"].includes(use)))
      expect(await published()).not.toContain(kid);
  });

  it("Y02 Y11 rotate with overlap: the new one is published first, the old one is believed for as long as a session", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const before = (await keys()).find(({ use, status }) => use === "access_token" && status === "signing");
    const { body } = await world.broker.admin("POST", "/admin/keys/rotate", { use: "access_token" });
    const [created] = body["created"] as Key[];
    const after = await keys();
    expect(after.find(({ kid }) => kid === created?.kid)).toMatchObject({ status: "published" });
    const old = after.find(({ kid }) => kid === before?.kid);
    expect(old).toMatchObject({ status: "signing", verify_until: created!.signs_from + 1800 });
    expect(await published()).toEqual(expect.arrayContaining([before!.kid, created!.kid]));
    expect((await agent.exchange(sessionToken, proxy())).status).toBe(200);
  });

  it("Y03 are retired at once, with all that they signed", async () => {
    const { agent, sessionToken, proxyToken } = await approvedSession(world);
    const token = await proxyToken();
    const kid = String(decodeProtectedHeader(sessionToken).kid);
    const { status, body } = await world.broker.admin("POST", `/admin/keys/${kid}/retire`, {});
    expect(status).toBe(200);
    expect(await published()).not.toContain(kid);
    expect((await agent.exchange(sessionToken, proxy())).body).toMatchObject({ error: "invalid_request" });
    expect((await agent.call(token, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(401);
    expect((await agent.introspect(sessionToken)).body).toEqual({ active: false });
    const fresh = await approvedSession(world);
    expect(decodeProtectedHeader(fresh.sessionToken).kid).toBe(body["successor"]);
    expect((await world.broker.admin("POST", `/admin/keys/${kid}/retire`, {})).status).toBe(404);
    await until("the audit rows", async () => {
      const rows = await auditRows(world);
      return rows.find(({ type, data }) => type === "key.retired" && data.includes(kid));
    });
  });

  it("are not rotated for a use that there is none of, nor without the admin token", async () => {
    expect((await world.broker.admin("POST", "/admin/keys/rotate", { use: "x" })).status).toBe(400);
    expect((await fetch(`${world.issuer}/admin/keys`)).status).toBe(401);
  });
});

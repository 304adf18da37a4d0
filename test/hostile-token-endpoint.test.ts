import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { lend, THINGS, withUpstreams } from "./support/lending.ts";
import { startTokenEndpoint, tokenReply, type TokenEndpoint, type TokenReply } from "./support/token-endpoint.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

/** Planted where a careless broker would log it. */
const CANARY = "canary-4711";
const NEW_TOKEN = "rt-fresh";

let endpoint: TokenEndpoint;
let world: TestWorld;
beforeAll(async () => {
  endpoint = await startTokenEndpoint();
  world = await startTestWorld({
    adjust: (document) => {
      const client = {
        connector: "oauth2",
        base_url: `${endpoint.url}/api`,
        catalogue: THINGS,
        token_endpoint: `${endpoint.url}/token`,
        client_id: "stint",
        token_endpoint_auth_method: "client_secret_post",
        client_secret: { secret: "CLIENT_SECRET" },
      };
      const refreshing = { ...client, grant_type: "refresh_token", refresh_token: { secret: "REFRESH_TOKEN" } };
      return withUpstreams(document, [
        { ...client, id: "cc", grant_type: "client_credentials", revocation_endpoint: `${endpoint.url}/revoke` },
        { ...refreshing, id: "rt" },
        { ...refreshing, id: "fixed", refresh_token: { secret: "FIXED_TOKEN" }, refresh_token_rotation: false },
        {
          ...client,
          id: "found",
          grant_type: "client_credentials",
          token_endpoint: undefined,
          authorization_server: endpoint.url,
        },
        { ...client, id: "wide", grant_type: "client_credentials", scope_narrowing: false },
      ] as never);
    },
    secrets: { CLIENT_SECRET: `${CANARY}-client`, FIXED_TOKEN: "rt-fixed" },
  });
});
beforeEach(async () => {
  endpoint.asked.length = 0;
  endpoint.called.length = 0;
  await world.broker.admin("PUT", "/admin/secrets/REFRESH_TOKEN", { value: NEW_TOKEN });
});
afterAll(async () => {
  await world?.close();
  await endpoint?.close();
});

const refreshTokensUsed = () => endpoint.asked.map(({ form }) => form["refresh_token"]);

describe("a token endpoint that does not behave", () => {
  const UNAVAILABLE = { status: 502, body: { error: "upstream_unavailable" } };
  const REFUSED = { status: 502, body: { error: "upstream_unauthorized" } };
  const html = { "content-type": "text/html" };
  it.each<[string, TokenReply | "cut", object, object[]]>([
    ["says no with 200", { body: { error: "invalid_client", error_description: CANARY } }, REFUSED, []],
    ["says no with 400", { status: 400, body: { error: "invalid_scope", error_description: CANARY } }, REFUSED, []],
    ["answers 503", { status: 503, body: CANARY }, UNAVAILABLE, []],
    ["answers 429", { status: 429, body: { error: "slow_down" } }, UNAVAILABLE, []],
    ["redirects", { status: 307, headers: { location: "/elsewhere" }, body: "" }, REFUSED, []],
    ["answers a page", { headers: html, body: `<p>${CANARY}` }, UNAVAILABLE, [{ fate: { fate: "unknown" } }]],
    ["never ends", { body: "x".repeat(200_000) }, UNAVAILABLE, [{ fate: { fate: "unknown" } }]],
    ["hangs up", "cut", UNAVAILABLE, [{ fate: { fate: "unknown" } }]],
    ["gives a token of another type", tokenReply({ token_type: "mac" }), UNAVAILABLE, [{ fate: { fate: "unknown" } }]],
    ["gives no token type", tokenReply({ token_type: undefined }), UNAVAILABLE, [{ fate: { fate: "unknown" } }]],
    ["gives a token that would end the header", tokenReply({ access_token: "a\r\nx: y" }), UNAVAILABLE, [{}]],
    ["gives a life that is no number", tokenReply({ expires_in: "soon" }), UNAVAILABLE, [{}]],
    ["gives a life of nothing", tokenReply({ expires_in: 0 }), UNAVAILABLE, [{}]],
  ])("that %s: a plain error, and the truth in the receipt", async (_, reply, expected, leases) => {
    endpoint.reply = ({ path }) => (path === "/token" ? reply : { body: "" });
    const session = await lend(world, "cc", ["things:read"]);
    const answer = await session.call("GET", "/things");
    expect(answer).toMatchObject(expected);
    expect(JSON.stringify(answer.body)).not.toContain(CANARY);
    expect(endpoint.asked.map(({ path }) => path)).toEqual(["/token"]);
    expect(endpoint.called).toEqual([]);
    const receipt = await session.end();
    expect(receipt).toMatchObject({ leases });
    expect(receipt["leases"]).toHaveLength(leases.length);
  });

  it("FI is left alone for a moment after it failed, however often the agent calls", async () => {
    endpoint.reply = () => ({ status: 500, body: "" });
    const session = await lend(world, "cc", ["things:read"]);
    const answers = await Promise.all([1, 2, 3].map(() => session.call("GET", "/things")));
    for (const answer of [...answers, await session.call("GET", "/things")]) expect(answer).toMatchObject(UNAVAILABLE);
    expect(endpoint.asked.length).toBeLessThanOrEqual(1);
  });

  it("V07 a token with more scope than was asked is not used, and taken back at once", async () => {
    endpoint.reply = ({ path }) => (path === "/token" ? tokenReply({ scope: "things.read admin" }) : { body: "" });
    const session = await lend(world, "cc", ["things:read"]);
    expect(await session.call("GET", "/things")).toMatchObject(REFUSED);
    expect(endpoint.asked.map(({ path, form }) => [path, form["token"]])).toEqual([
      ["/token", undefined],
      ["/revoke", "at-good"],
    ]);
    expect(endpoint.called).toEqual([]);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "revoked" } }] });
  });

  it("V07 a token with less scope than was asked serves what it covers, and no call beyond", async () => {
    endpoint.reply = ({ path }) => (path === "/token" ? tokenReply({ scope: "things.read" }) : { body: "" });
    const session = await lend(world, "cc", ["things:read", "things:write"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const refused = await session.call("POST", "/things", {});
    expect(refused).toMatchObject({ status: 403, body: { error: "access_denied", reason: "upstream_withheld" } });
    expect(endpoint.called.map(({ method }) => method)).toEqual(["GET"]);
  });

  it("that cannot narrow is asked for no scope, and its wide token held by the proxy alone", async () => {
    endpoint.reply = () => tokenReply({ scope: "things.read things.write admin" });
    const session = await lend(world, "wide", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect((await session.call("POST", "/things", {})).status).toBe(403);
    expect(endpoint.asked.map(({ form }) => form["scope"])).toEqual([undefined]);
  });

  it("FI writes nothing more either, while an agent hammers a connection that is broken", async () => {
    endpoint.reply = () => "cut";
    const session = await lend(world, "rt", ["things:read"]);
    for (let at = 0; at < 20; at += 1)
      expect(await session.call("GET", "/things")).toMatchObject({ status: 502, body: { error: "upstream_broken" } });
    await session.end();
    const rows = await until("the session's rows", async () => {
      const all = (await auditRows(world)).filter(({ source }) => source === session.sessionId);
      return all.some(({ type }) => type === "receipt.signed") ? all : undefined;
    });
    expect(rows.filter(({ type }) => type === "lease.reserved").length).toBeLessThan(10);
  });

  it.each([1e300, 315_360_000_001])(
    "gives a life of %d seconds: the receipt still gets written",
    async (expires_in) => {
      endpoint.reply = () => tokenReply({ expires_in });
      const session = await lend(world, "wide", ["things:read"]);
      expect((await session.call("GET", "/things")).status).toBe(200);
      expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" } }] });
    },
  );

  it("writes null for what it could have left out", async () => {
    endpoint.reply = () => tokenReply({ scope: null, refresh_token: null, error: null });
    expect((await (await lend(world, "wide", ["things:read"])).call("GET", "/things")).status).toBe(200);
  });

  it.each<[string, TokenReply]>([
    ["of another issuer", { body: { issuer: "https://elsewhere.example", token_endpoint: "ENDPOINT/token" } }],
    ["that is a page", { body: "<html>" }],
    ["that redirects", { status: 302, headers: { location: "/token" }, body: "" }],
    ["without a token endpoint", { body: { issuer: "ENDPOINT" } }],
    ["that leads to no web address", { body: { issuer: "ENDPOINT", token_endpoint: "file:///etc/passwd" } }],
    ["that leads back to the broker", { body: { issuer: "ENDPOINT", token_endpoint: "BROKER/oauth/token" } }],
    [
      "that never ends",
      { body: `{"issuer":"ENDPOINT","token_endpoint":"ENDPOINT/token","x":"${"x".repeat(99_999)}"}` },
    ],
  ])("V03 F10 is not reached by metadata %s", async (_, { body, ...reply }) => {
    const text = (typeof body === "string" ? body : JSON.stringify(body))
      .replaceAll("ENDPOINT", endpoint.url)
      .replaceAll("BROKER", world.issuer);
    endpoint.reply = () => ({ ...reply, body: text });
    const answer = await (await lend(world, "found", ["things:read"])).call("GET", "/things");
    expect(answer).toMatchObject({ status: 502, body: { error: "upstream_unavailable" } });
    expect(endpoint.asked.filter(({ path }) => !path.startsWith("/.well-known/"))).toEqual([]);
  });

  it("takes a life written as a text, and a bearer type in any case", async () => {
    endpoint.reply = () => tokenReply({ expires_in: "600", token_type: "bEARER" });
    const session = await lend(world, "wide", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" } }] });
  });

  it("gives no life at all: the token is used, and the receipt says that it lives on", async () => {
    endpoint.reply = () => tokenReply({ expires_in: undefined });
    const session = await lend(world, "wide", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect(endpoint.asked).toHaveLength(1);
    const in_words = expect.stringContaining("lives on") as string;
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "irrevocable" }, in_words }] });
  });

  it("refuses to take back what never ends: the receipt says so, and until when it was tried", async () => {
    endpoint.reply = ({ path }) =>
      path === "/token" ? tokenReply({ expires_in: undefined }) : { status: 400, body: { error: "unsupported" } };
    const session = await lend(world, "cc", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const fate = { fate: "failed", reason: "upstream_refused", retried_until: expect.any(Number) as number };
    expect(await session.end()).toMatchObject({ leases: [{ fate, in_words: expect.stringContaining("tried until") }] });
  });
});

describe("a refresh token", () => {
  const BROKEN = { status: 502, body: { error: "upstream_broken" } };

  it("V08 whose answer was lost breaks the connection: it says so, and nothing is asked again", async () => {
    endpoint.reply = () => "cut";
    const session = await lend(world, "rt", ["things:read"]);
    expect(await session.call("GET", "/things")).toMatchObject(BROKEN);
    endpoint.reply = () => tokenReply({ refresh_token: "rt-2" });
    expect(await session.call("GET", "/things")).toMatchObject(BROKEN);
    expect(await (await lend(world, "rt", ["things:read"])).call("GET", "/things")).toMatchObject(BROKEN);
    expect(endpoint.asked).toHaveLength(1);
    const { body } = await world.broker.admin("GET", "/admin/connections");
    expect(body).toMatchObject({ connections: [{ secret: "REFRESH_TOKEN", status: "broken" }] });
    await until("the event", async () =>
      (await auditRows(world)).find(({ type, data }) => type === "connection.broken" && data.includes("lost")),
    );
  });

  it("is tried once more when the operator says so", async () => {
    endpoint.reply = () => "cut";
    const session = await lend(world, "rt", ["things:read"]);
    expect(await session.call("GET", "/things")).toMatchObject(BROKEN);
    endpoint.reply = () => tokenReply({ refresh_token: "rt-2" });
    expect((await world.broker.admin("POST", "/admin/connections/REFRESH_TOKEN/retry", {})).status).toBe(200);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect((await world.broker.admin("POST", "/admin/connections/REFRESH_TOKEN/retry", {})).status).toBe(404);
    expect(refreshTokensUsed()).toEqual([NEW_TOKEN, NEW_TOKEN]);
  });

  it("V08 that was on its way when the broker was killed breaks the connection", async () => {
    endpoint.reply = () => new Promise<never>(() => undefined);
    const session = await lend(world, "rt", ["things:read"]);
    const call = session.call("GET", "/things").catch(() => undefined);
    await until("the refresh", async () => endpoint.asked[0]);
    await world.broker.kill9();
    await call;
    await world.broker.restart();
    endpoint.reply = () => tokenReply();
    expect(await (await lend(world, "rt", ["things:read"])).call("GET", "/things")).toMatchObject(BROKEN);
    expect(endpoint.asked).toHaveLength(1);
    const { body } = await world.broker.admin("GET", "/admin/connections");
    expect(body).toMatchObject({ connections: [{ status: "broken", reason: expect.stringContaining("stopped") }] });
  });

  it("that does not rotate survives a lost answer", async () => {
    endpoint.reply = () => "cut";
    expect((await (await lend(world, "fixed", ["things:read"])).call("GET", "/things")).status).toBe(502);
    endpoint.reply = () => tokenReply();
    expect((await (await lend(world, "fixed", ["things:read"])).call("GET", "/things")).status).toBe(200);
    expect(refreshTokensUsed()).toEqual(["rt-fixed", "rt-fixed"]);
  });

  it.each<[string, TokenReply, string]>([
    ["is kept when the answer brings no other", tokenReply(), NEW_TOKEN],
    ["gives way to the one that the answer brings", tokenReply({ refresh_token: "rt-2" }), "rt-2"],
    [
      "gives way even when the access token is of no use",
      tokenReply({ refresh_token: "rt-2", token_type: "mac" }),
      "rt-2",
    ],
    ["is kept when the server is down for the moment", { status: 503, body: "" }, NEW_TOKEN],
    ["is kept when the scope is refused", { status: 400, body: { error: "invalid_scope" } }, NEW_TOKEN],
  ])("%s", async (_, reply, next) => {
    endpoint.reply = () => reply;
    await (await lend(world, "rt", ["things:read"])).call("GET", "/things");
    endpoint.reply = () => tokenReply();
    expect((await (await lend(world, "rt", ["things:read"])).call("GET", "/things")).status).toBe(200);
    expect(refreshTokensUsed()).toEqual([NEW_TOKEN, next]);
  });

  it("of the operator's stays, when it was stored while another was on its way", async () => {
    let release: (reply: TokenReply) => void = () => undefined;
    endpoint.reply = () => new Promise((done) => (release = done));
    const call = (await lend(world, "rt", ["things:read"])).call("GET", "/things");
    await until("the refresh", async () => endpoint.asked[0]);
    await world.broker.admin("PUT", "/admin/secrets/REFRESH_TOKEN", { value: "rt-operator" });
    release(tokenReply({ refresh_token: "rt-late" }));
    expect((await call).status).toBe(200);
    endpoint.reply = () => tokenReply();
    await (await lend(world, "rt", ["things:read"])).call("GET", "/things");
    expect(refreshTokensUsed()).toEqual([NEW_TOKEN, "rt-operator"]);
  });

  it("P11 shows nothing of what a server said, in the log or the audit", async () => {
    expect(world.broker.output()).not.toContain(CANARY);
    expect(JSON.stringify(await auditRows(world))).not.toContain(CANARY);
  });
});

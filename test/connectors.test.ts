import { createHash, generateKeyPairSync } from "node:crypto";
import { createEmulator, type Emulator } from "emulate";
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  jwtVerify,
  type JWK,
} from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gmailUpstream, GOOGLE_CLIENT, startGoogle, type Google } from "../demo/google.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { lend, THINGS, withUpstreams } from "./support/lending.ts";
import { startTokenEndpoint, tokenReply, type TokenEndpoint, type TokenReply } from "./support/token-endpoint.ts";
import { ask, startTestWorld, type TestWorld } from "./support/world.ts";

const READONLY_MAIL = "https://www.googleapis.com/auth/gmail.readonly";
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" });

let endpoint: TokenEndpoint;
let google: Google;
let slack: Emulator;
let world: TestWorld;
const PLACES = {
  operations: {
    "forecast:read": {
      access: "read",
      title: "Read forecasts",
      routes: ["GET /forecast/:city"],
      location: ":city",
    },
  },
  repeatable: ["day"],
};

beforeAll(async () => {
  endpoint = await startTokenEndpoint();
  google = await startGoogle();
  slack = await createEmulator({
    service: "slack",
    port: 0,
    seed: {
      tokens: { "xoxb-bot": { login: "helper", scopes: ["channels:read", "chat:write"] } },
      slack: { team: { name: "Acme", domain: "acme" }, users: [{ name: "helper" }], channels: [{ name: "general" }] },
    } as never,
  });
  const api = { base_url: `${endpoint.url}/api`, catalogue: THINGS };
  const oauth = { ...api, connector: "oauth2", token_endpoint: `${endpoint.url}/token`, client_id: "stint" };
  world = await startTestWorld({
    adjust: (document) =>
      withUpstreams(document, [
        { ...api, id: "keyed", connector: "api_key", api_key: { secret: "QUERY_KEY" }, query: "apikey" },
        {
          ...api,
          id: "gone",
          connector: "api_key",
          base_url: "http://localhost:1",
          api_key: { secret: "QUERY_KEY" },
          query: "apikey",
        },
        {
          ...api,
          id: "shop",
          connector: "api_key",
          api_key: { secret: "QUERY_KEY" },
          catalogue: "stripe",
          operations: ["refunds:read"],
        },
        { ...api, id: "places", connector: "jwt", catalogue: PLACES },
        { ...api, id: "trusting", connector: "jwt" },
        { ...api, id: "trusting-bearer", connector: "jwt", dpop_bound_access_tokens: false, audience: "things-api" },
        { ...oauth, id: "asserted", grant_type: JWT_BEARER, token_endpoint_auth_method: "none" },
        {
          ...oauth,
          id: "own-key",
          grant_type: JWT_BEARER,
          token_endpoint_auth_method: "none",
          authorization_server: "https://login.example.com",
          subject: "dana@acme.example",
          private_key: { secret: "EC_KEY" },
          private_key_id: "ec-1",
        },
        {
          ...oauth,
          id: "vouched",
          grant_type: TOKEN_EXCHANGE,
          token_endpoint_auth_method: "none",
          resource: `${endpoint.url}/api`,
        },
        {
          ...oauth,
          id: "exchanged",
          grant_type: TOKEN_EXCHANGE,
          client_secret: { secret: "CLIENT_SECRET" },
          subject_token: { secret: "SUBJECT_TOKEN" },
          subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
          audience: "things",
        },
        {
          ...api,
          id: "robot",
          connector: "google_service_account",
          service_account_key: { secret: "ROBOT_KEY" },
          subject: "dana@acme.example",
          token_endpoint: `${endpoint.url}/token`,
        },
        gmailUpstream(google),
        { id: "chat", connector: "slack", base_url: `${slack.url}/api`, catalogue: "slack", token: { secret: "BOT" } },
        {
          id: "one-shot",
          connector: "slack",
          base_url: endpoint.url,
          catalogue: "slack",
          token: { secret: "BOT" },
          revoke_at_end: true,
        },
        {
          id: "deaf",
          connector: "slack",
          base_url: endpoint.url,
          catalogue: "slack",
          token: { secret: "BOT" },
        },
      ] as never),
    secrets: {
      QUERY_KEY: "key&with=signs",
      CLIENT_SECRET: "exchange-secret",
      SUBJECT_TOKEN: "subject-of-stint",
      EC_KEY: elliptic.privateKey.export({ type: "sec1", format: "pem" }).toString(),
      ROBOT_KEY: JSON.stringify({
        type: "service_account",
        client_email: "robot@acme.iam.gserviceaccount.com",
        private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
        private_key_id: "robot-1",
        token_uri: "http://localhost:1/not-followed",
      }),
      GOOGLE_SECRET: GOOGLE_CLIENT.client_secret,
      GOOGLE_REFRESH: await google.consent(READONLY_MAIL),
      BOT: "xoxb-bot",
    },
  });
});
beforeEach(() => {
  endpoint.asked.length = 0;
  endpoint.called.length = 0;
  endpoint.reply = () => tokenReply();
});
afterAll(async () => {
  await world?.close();
  await Promise.all([endpoint?.close(), google?.close(), slack?.close()]);
});

const stintKeys = () => createRemoteJWKSet(new URL(`${world.issuer}/oauth/jwks`));

describe("a key in the query", () => {
  it("P21 is the only parameter of its name, and the caller's own never arrives", async () => {
    const session = await lend(world, "keyed", ["things:read"]);
    expect((await session.call("GET", "/things?page=2")).status).toBe(200);
    expect((await session.call("GET", "/things?apikey=mine")).status).toBe(400);
    for (const forged of [
      "ApiKey=mine",
      "apikey[]=mine",
      "apikey[]=mine&apikey[]=mine",
      "apikey[0]=mine&api-key.x=mine",
      "page=1;apikey=mine",
      "a%70ikey=mine",
    ])
      await session.call("GET", `/things?${forged}`);
    for (const { url } of endpoint.called) {
      expect(url.match(/apikey/gi)).toHaveLength(1);
      expect(new URL(url, endpoint.url).searchParams.get("apikey")).toBe("key&with=signs");
    }
    expect(new URL(endpoint.called[0]!.url, endpoint.url).searchParams.get("page")).toBe("2");
    const { in_words } = ((await session.end()) as { leases: { in_words: string }[] }).leases[0]!;
    expect(in_words).toContain("lives on");
  });
});

describe("a catalogue that ships, and of which one operation is offered", () => {
  it("serves that one; the others are no operation of the upstream, and cannot be asked for", async () => {
    const session = await lend(world, "shop", ["refunds:read"]);
    expect((await session.call("GET", "/v1/refunds?limit=3")).status).toBe(200);
    for (const [method, path] of [
      ["POST", "/v1/refunds"],
      ["GET", "/v1/charges"],
      ["GET", "/v1/refundsX"],
    ] as const)
      expect(await session.call(method, path)).toMatchObject({ status: 403, body: { reason: "unknown_operation" } });
    expect(endpoint.called.map(({ url }) => url)).toEqual(["/api/v1/refunds?limit=3"]);
    const authorization_details = [{ type: "upstream_access", upstream: "shop", actions: ["charges:read"] }];
    expect((await (await world.freshAgent()).ask(ask({ authorization_details }))).status).toBe(400);
  });
});

describe("P21 a parameter that stands several times", () => {
  it("arrives as it was sent where its name says that it is a list, as Stripe's expand[]", async () => {
    const session = await lend(world, "shop", ["refunds:read"]);
    const query = "expand[]=data.charge&expand%5B%5D=data.payment_intent&created[gte]=1&created[lte]=2";
    expect((await session.call("GET", `/v1/refunds?${query}`)).status).toBe(200);
    expect(endpoint.called.map(({ url }) => url)).toEqual([`/api/v1/refunds?${query}`]);
    for (const polluted of ["limit=1&limit=9", "expand[]=a&expand=b", "expand[]=a&Expand[]=b"])
      expect(await session.call("GET", `/v1/refunds?${polluted}`)).toMatchObject({
        status: 400,
        body: { error: "invalid_request" },
      });
    expect(endpoint.called).toHaveLength(1);
  });

  it("arrives where the catalogue says that the upstream reads a list, and never as a second location", async () => {
    const session = await lend(world, "places", ["forecast:read"], ["Lisbon"]);
    expect((await session.call("GET", "/forecast/Lisbon?day=1&day=2")).status).toBe(200);
    for (const polluted of ["city=Oslo", "day=1&CITY=Oslo", "city[]=Lisbon&city[]=Oslo", "c%69ty.name=Oslo"])
      expect(await session.call("GET", `/forecast/Lisbon?${polluted}`)).toMatchObject({
        status: 403,
        body: { reason: "unknown_operation" },
      });
    expect(endpoint.called.map(({ url }) => url)).toEqual(["/api/forecast/Lisbon?day=1&day=2"]);
  });
});

describe("an upstream that trusts Stint", () => {
  it("gets a token of its own, about this session alone, bound to a key that is proved at each call", async () => {
    const session = await lend(world, "trusting", ["things:read"]);
    await session.call("GET", "/things?page=2");
    await session.call("GET", "/things");
    const token = /^DPoP (.+)$/.exec(endpoint.called[0]!.headers.authorization ?? "")?.[1] ?? "";
    const { payload, protectedHeader } = await jwtVerify(token, stintKeys(), {
      issuer: world.issuer,
      audience: `${endpoint.url}/api`,
      typ: "at+jwt",
    });
    expect(payload).toMatchObject({ session_id: session.sessionId, scope: "things.read" });
    expect(payload["authorization_details"]).toMatchObject([{ upstream: "trusting", actions: ["things:read"] }]);
    expect(protectedHeader.alg).toBe("ES256");
    const proofs = endpoint.called.map(({ headers }) => String(headers["dpop"]));
    for (const proof of proofs) {
      const { jwk } = decodeProtectedHeader(proof) as { jwk: JWK };
      const { payload: claims } = await jwtVerify(proof, await importJWK(jwk, "ES256"), { typ: "dpop+jwt" });
      expect(await calculateJwkThumbprint(jwk)).toBe((payload["cnf"] as { jkt: string }).jkt);
      expect(claims).toMatchObject({
        htm: "GET",
        htu: `${endpoint.url}/api/things`,
        ath: createHash("sha256").update(token).digest("base64url"),
      });
    }
    expect(new Set(proofs.map((proof) => decodeJwt(proof).jti)).size).toBe(2);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at", at: payload.exp } }] });
  });

  it("gets a bearer token, with the audience it wants, where it is configured so", async () => {
    const session = await lend(world, "trusting-bearer", ["things:read"]);
    await session.call("GET", "/things");
    const token = /^Bearer (.+)$/.exec(endpoint.called[0]!.headers.authorization ?? "")?.[1] ?? "";
    const { payload } = await jwtVerify(token, stintKeys(), { audience: "things-api" });
    expect(payload["cnf"]).toBeUndefined();
    // What the upstream got is worth nothing at Stint.
    const back = await fetch(`${world.issuer}/proxy/trusting-bearer/things`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(back.status).toBe(401);
  });

  it("may be an authorization server: no secret is stored, the assertion names the session", async () => {
    const session = await lend(world, "asserted", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const { form } = endpoint.asked[0]!;
    expect(form).toMatchObject({ grant_type: JWT_BEARER, scope: "things.read" });
    const { payload } = await jwtVerify(form["assertion"] ?? "", stintKeys(), {
      issuer: world.issuer,
      audience: `${endpoint.url}/token`,
    });
    expect(payload).toMatchObject({ session_id: session.sessionId, jti: expect.any(String) as string });
  });
});

describe("an assertion by a key of the tenant's own (RFC 7523)", () => {
  it("names the configured subject, and the authorization server as its audience", async () => {
    const session = await lend(world, "own-key", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const { payload, protectedHeader } = await jwtVerify(
      endpoint.asked[0]!.form["assertion"] ?? "",
      elliptic.publicKey,
      {
        issuer: "stint",
        subject: "dana@acme.example",
        audience: "https://login.example.com",
      },
    );
    expect(protectedHeader).toMatchObject({ alg: "ES256", kid: "ec-1" });
    expect(payload.exp! - payload.iat!).toBeLessThan(300);
  });
});

describe("a token exchange at the upstream (RFC 8693)", () => {
  it("trades what Stint says of the session, where no token is stored", async () => {
    const session = await lend(world, "vouched", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const { form } = endpoint.asked[0]!;
    expect(form).toMatchObject({
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      resource: `${endpoint.url}/api`,
    });
    const { payload } = await jwtVerify(form["subject_token"] ?? "", stintKeys(), { issuer: world.issuer });
    expect(payload).toMatchObject({ session_id: session.sessionId });
  });

  it("trades a stored token for one of this session", async () => {
    const session = await lend(world, "exchanged", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    expect(endpoint.asked[0]!.form).toMatchObject({
      grant_type: TOKEN_EXCHANGE,
      subject_token: "subject-of-stint",
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      audience: "things",
    });
    expect(endpoint.called[0]!.headers.authorization).toBe("Bearer at-good-token");
  });
});

describe("Google", () => {
  it("gets a service account's assertion, for the granted scopes and the configured user, at the configured address", async () => {
    const session = await lend(world, "robot", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const { payload, protectedHeader } = await jwtVerify(endpoint.asked[0]!.form["assertion"] ?? "", publicKey, {
      issuer: "robot@acme.iam.gserviceaccount.com",
      audience: `${endpoint.url}/token`,
    });
    expect(payload).toMatchObject({ scope: "things.read", sub: "dana@acme.example" });
    expect(protectedHeader).toMatchObject({ alg: "RS256", kid: "robot-1" });
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" } }] });
  });

  it("lends a user's mailbox by the refresh token of their consent, to read and not to send", async () => {
    const session = await lend(world, "gmail", ["messages:read"]);
    expect((await session.call("GET", "/gmail/v1/users/me/messages")).status).toBe(200);
    expect((await session.call("POST", "/gmail/v1/users/me/messages/send", {})).status).toBe(403);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" } }] });
  });

  it("V07 is not believed when it ignores the narrowing", async () => {
    await world.broker.admin("PUT", "/admin/secrets/GOOGLE_REFRESH", {
      value: await google.consent(`${READONLY_MAIL} https://mail.google.com/`),
    });
    const session = await lend(world, "gmail", ["messages:read"]);
    const answer = await session.call("GET", "/gmail/v1/users/me/messages");
    expect(answer).toMatchObject({ status: 502, body: { error: "upstream_unauthorized" } });
  });
});

describe("Slack", () => {
  it("lends a bot's token, which stays: the receipt says that it lives on", async () => {
    const session = await lend(world, "chat", ["channels:read"]);
    const answer = await session.call("POST", "/conversations.list", {});
    expect(answer).toMatchObject({ status: 200, body: { ok: true, channels: expect.any(Array) as unknown } });
    expect((await session.call("POST", "/chat.postMessage", { channel: "C1", text: "x" })).status).toBe(403);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "irrevocable" } }] });
    const again = await (await lend(world, "chat", ["channels:read"])).call("POST", "/conversations.list", {});
    expect(again).toMatchObject({ body: { ok: true } });
  });

  it.each<[string, TokenReply, number, string]>([
    ["a token that died", { body: { ok: false, error: "invalid_auth" } }, 502, "upstream_unauthorized"],
    ["a page in place of an answer", { body: "<html>" }, 502, "upstream_unavailable"],
    [
      "a token without the scope",
      { headers: { "x-oauth-scopes": "team:read" }, body: { ok: true } },
      403,
      "access_denied",
    ],
  ])("is asked first what the token is worth: %s is refused plainly", async (_, reply, status, error) => {
    endpoint.reply = () => reply;
    const session = await lend(world, "deaf", ["channels:read"]);
    expect(await session.call("GET", "/conversations.list")).toMatchObject({ status, body: { error } });
    expect(endpoint.asked.map(({ path }) => path)).toEqual(["/auth.test"]);
  });

  it.each<[string, TokenReply, string]>([
    ["revoked", { body: { ok: true, revoked: true } }, "revoked"],
    ["found dead already", { body: { ok: false, error: "token_revoked" } }, "revoked"],
    ["kept by Slack against our will", { body: { ok: false, error: "not_allowed" } }, "failed"],
  ])("takes a token with the session when it was made for one: %s", async (_, reply, fate) => {
    endpoint.reply = ({ path }) => (path === "/auth.revoke" ? reply : { body: { ok: true } });
    const session = await lend(world, "one-shot", ["channels:read"]);
    await session.call("GET", "/conversations.list");
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate } }] });
    expect(endpoint.asked.map(({ path }) => path)).toEqual(["/auth.test", "/conversations.list", "/auth.revoke"]);
  });
});

describe("the approval page", () => {
  it("says of each entry who holds the agent to it", async () => {
    const at = (upstream: string, ...actions: string[]) => ({ type: "upstream_access", upstream, actions });
    const agent = await world.freshAgent();
    const authorization_details = [
      at("keyed", "things:read"),
      at("asserted", "things:read"),
      at("trusting", "things:read"),
      at("chat", "channels:read"),
      at("robot", "things:write"),
    ];
    const { body } = await agent.ask(ask({ authorization_details }));
    const { html } = await (await Approver.bySlack(world, "dana", body.session_id)).view();
    const said = [...html.matchAll(/<bdi>([^<]*)<\/bdi><small>([^<]*)<\/small>/g)].map(
      ([, line = "", by = ""]) => `${/· ([a-z]+)/.exec(line)?.[1]}: ${by.replaceAll("&#39;", "'")}`,
    );
    expect(said.toSorted()).toEqual([
      "asserted: the upstream enforces its scopes, Stint the rest",
      "chat: enforced by Stint's proxy alone",
      "keyed: enforced by Stint's proxy alone",
      "robot: the upstream enforces its scopes, Stint the rest",
      "trusting: enforced by the upstream and by Stint",
    ]);
  });
});

describe("P11 what was lent", () => {
  it("stands in no log and no audit row, also where the upstream was not there", async () => {
    expect(await (await lend(world, "gone", ["things:read"])).call("GET", "/things")).toMatchObject({ status: 502 });
    const audit = JSON.stringify(await auditRows(world));
    for (const secret of [
      "key&with=signs",
      "key%26with",
      "exchange-secret",
      "subject-of-stint",
      "xoxb-bot",
      "g-secret",
    ]) {
      expect(world.broker.output()).not.toContain(secret);
      expect(audit).not.toContain(secret);
    }
  });
});

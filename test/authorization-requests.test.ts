import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newProofKey, thumbprint } from "../cli/agent-client.ts";
import { until } from "../demo/until.ts";
import { claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import {
  authorizeAs,
  MCP_HOST,
  NATIVE_APP,
  NOTES,
  POSTS,
  startOAuthWorld,
  TICKETS,
  Visitor,
  WEB_APP,
  type OAuthWorld,
} from "./support/oauth-world.ts";
import {
  authenticated,
  authorizationRequest,
  authorizationUrl,
  CHALLENGE,
  nextWebApp,
  plainForm,
  SCOPE,
  VERIFIER,
  web,
  webApp,
  type Fields,
} from "./support/oauth-requests.ts";

let world: OAuthWorld;
beforeAll(async () => {
  world = await startOAuthWorld();
});
afterAll(() => world?.close());
beforeEach(nextWebApp);

const PAR = "/oauth/par";
const LIMITED = JSON.stringify([
  { type: "mcp_tools", server: "tickets", actions: ["open_issue"], limits: { calls: 3 } },
]);

/** What the authorization endpoint makes of a request: a page, or a return to the client with an error. */
async function opened(
  fields: Fields,
): Promise<{ status: number; error: string | null; back: URL | undefined; html: string }> {
  const response = await fetch(authorizationUrl(world, fields), { redirect: "manual" });
  const location = response.headers.get("location");
  const back = location === null ? undefined : new URL(location);
  return { status: response.status, error: back?.searchParams.get("error") ?? null, back, html: await response.text() };
}

describe("an authorization request that is refused to its client (groups H and Q)", () => {
  const cases: [string, Fields, string][] = [
    ["H01 no PKCE at all", { code_challenge: undefined, code_challenge_method: undefined }, "invalid_request"],
    ["H01 plain PKCE", { code_challenge_method: "plain", code_challenge: VERIFIER }, "invalid_request"],
    ["H01 an unknown PKCE method", { code_challenge_method: "S512" }, "invalid_request"],
    ["H01 s256 in small letters", { code_challenge_method: "s256" }, "invalid_request"],
    ["H02 a PKCE method without a challenge", { code_challenge: undefined }, "invalid_request"],
    [
      "H02 a challenge without a method, which would mean plain",
      { code_challenge_method: undefined },
      "invalid_request",
    ],
    ["a challenge that is no SHA-256", { code_challenge: "short" }, "invalid_request"],
    ["a challenge with padding", { code_challenge: `${CHALLENGE}=` }, "invalid_request"],
    ["H06 response_type token", { response_type: "token" }, "unsupported_response_type"],
    ["H06 response_type code id_token", { response_type: "code id_token" }, "unsupported_response_type"],
    ["H06 response_type id_token", { response_type: "id_token" }, "unsupported_response_type"],
    ["H06 response_type none", { response_type: "none" }, "unsupported_response_type"],
    ["no response_type", { response_type: undefined }, "invalid_request"],
    ["response_mode fragment", { response_mode: "fragment" }, "invalid_request"],
    ["response_mode form_post", { response_mode: "form_post" }, "invalid_request"],
    ["response_mode web_message", { response_mode: "web_message" }, "invalid_request"],
    ["prompt=none", { prompt: "none" }, "interaction_required"],
    ["prompt=none beside another", { prompt: "none consent" }, "invalid_request"],
    ["a request object that was not pushed", { request: "e30.e30.x" }, "request_not_supported"],
    ["T09 offline_access", { scope: `${SCOPE} offline_access` }, "invalid_scope"],
    ["Q08 a wildcard scope", { scope: "github:issues:read@acme/*" }, "invalid_scope"],
    ["Q08 the scope *", { scope: "*" }, "invalid_scope"],
    ["Q08 a scope with a tab", { scope: "github:issues:read@acme/api\tmcp:tickets:open_issue" }, "invalid_scope"],
    ["Q08 a scope with two spaces", { scope: "github:issues:read@acme/api  mcp:tickets:open_issue" }, "invalid_scope"],
    ["Q08 a scope that is not ASCII", { scope: "github:issues:read@acme/äpi" }, "invalid_scope"],
    ["Q08 an unknown scope", { scope: "profile" }, "invalid_scope"],
    ["Q08 a scope of 10 KB", { scope: "x".repeat(7000) }, "invalid_scope"],
    ["an unknown operation", { scope: "github:nothing:read@acme/api" }, "invalid_authorization_details"],
    ["an unknown upstream", { scope: "gitlab:issues:read@acme/api" }, "invalid_authorization_details"],
    ["access outside the policy", { scope: "github:issues:read@other/api" }, "access_denied"],
    [
      "Q04 authorization_details that are an object",
      { scope: undefined, authorization_details: "{}" },
      "invalid_authorization_details",
    ],
    [
      "Q04 authorization_details that are a text",
      { scope: undefined, authorization_details: '"x"' },
      "invalid_authorization_details",
    ],
    [
      "Q04 empty authorization_details",
      { scope: undefined, authorization_details: "[]" },
      "invalid_authorization_details",
    ],
    [
      "Q04 nested authorization_details",
      { scope: undefined, authorization_details: "[[]]" },
      "invalid_authorization_details",
    ],
    [
      "Q04 null authorization_details",
      { scope: undefined, authorization_details: "null" },
      "invalid_authorization_details",
    ],
    [
      "Q04 doubly encoded authorization_details",
      { scope: undefined, authorization_details: JSON.stringify("[]") },
      "invalid_authorization_details",
    ],
    [
      "Q05 an unknown type",
      { scope: undefined, authorization_details: '[{"type":"x"}]' },
      "invalid_authorization_details",
    ],
    [
      "limits at a server's own resource, where nobody counts",
      { scope: undefined, authorization_details: LIMITED },
      "invalid_authorization_details",
    ],
    ["scope and authorization_details at once", { authorization_details: "[]" }, "invalid_request"],
    ["Q21 an unknown resource", { resource: "https://elsewhere.example/mcp" }, "invalid_target"],
    ["Q22 a resource with a longer host", { resource: `${TICKETS}.evil.example` }, "invalid_target"],
    [
      "Q22 a resource with a user",
      { resource: TICKETS.replace("//", "//localhost:9@evil.example/") },
      "invalid_target",
    ],
    ["Q22 a resource with a fragment", { resource: `${TICKETS}#x` }, "invalid_target"],
    ["Q22 a resource below another", { resource: `${TICKETS}/x` }, "invalid_target"],
    ["Q22 a resource in other letters", { resource: TICKETS.toUpperCase() }, "invalid_target"],
    ["Q09 requested_expiry 0", { requested_expiry: "0" }, "invalid_request"],
    ["Q09 requested_expiry -1", { requested_expiry: "-1" }, "invalid_request"],
    ["Q09 requested_expiry 1e9", { requested_expiry: "1e9" }, "invalid_request"],
    ["Q09 requested_expiry abc", { requested_expiry: "abc" }, "invalid_request"],
    ["Q09 requested_expiry above the policy's", { requested_expiry: "3600" }, "invalid_request"],
    ["a dpop_jkt that is no thumbprint", { dpop_jkt: "x" }, "invalid_request"],
    ["H09 a state that is longer than any", { state: "s".repeat(3000) }, "invalid_request"],
    ["Q26 claims of 3 KB", { claims: "x".repeat(3000) }, "invalid_request"],
  ];

  it.each(cases)("%s: on the front channel", async (_, changes, error) => {
    const { status, back, error: told } = await opened(authorizationRequest(changes));
    expect([status, told]).toEqual([303, error]);
    expect(back?.origin + (back?.pathname ?? "")).toBe(WEB_APP.redirect_uri);
    expect(back?.searchParams.get("iss")).toBe(world.issuer);
    expect(back?.searchParams.get("state")).toBe(authorizationRequest(changes)["state"]);
    expect(back?.searchParams.get("code")).toBeNull();
  });

  it.each(cases.filter(([name]) => !name.includes("not pushed")))("%s: pushed", async (_, changes, error) => {
    const answer = await authenticated(await webApp(world), PAR, authorizationRequest(changes));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(404);
    expect(answer.body).toMatchObject({ error });
    expect(answer.body).not.toHaveProperty("request_uri");
  });
});

describe("an authorization request that cannot even be refused to its client (H04)", () => {
  it.each<[string, Fields]>([
    ["no client_id", { client_id: undefined }],
    ["an unknown client", { client_id: "nobody" }],
    ["a server's id", { client_id: "tickets" }],
    ["no redirect_uri", { redirect_uri: undefined }],
    ["another redirect_uri", { redirect_uri: "https://evil.example/callback" }],
    ["a prefix of it", { redirect_uri: "https://app.example/call" }],
    ["it with a suffix", { redirect_uri: `${WEB_APP.redirect_uri}/x` }],
    ["it with a slash", { redirect_uri: `${WEB_APP.redirect_uri}/` }],
    ["it in other letters", { redirect_uri: "https://app.example/Callback" }],
    ["its host in other letters", { redirect_uri: "https://APP.example/callback" }],
    ["it with a query", { redirect_uri: `${WEB_APP.redirect_uri}?x=1` }],
    ["it with a fragment", { redirect_uri: `${WEB_APP.redirect_uri}#x` }],
    ["it with a user", { redirect_uri: "https://app.example@evil.example/callback" }],
    ["it with dot segments", { redirect_uri: "https://app.example/x/../callback" }],
    ["it with another port", { redirect_uri: "https://app.example:444/callback" }],
    ["its default port", { redirect_uri: "https://app.example:443/callback" }],
    ["plain http", { redirect_uri: "http://app.example/callback" }],
    ["a subdomain", { redirect_uri: "https://x.app.example/callback" }],
    ["a longer host", { redirect_uri: "https://app.example.evil.example/callback" }],
    ["javascript:", { redirect_uri: "javascript:alert(1)" }],
    ["a program's own scheme", { redirect_uri: "app.example:/callback" }],
    ["a line break", { redirect_uri: `${WEB_APP.redirect_uri}\r\nx: y` }],
    ["localhost for 127.0.0.1", { client_id: NATIVE_APP.client_id, redirect_uri: "http://localhost/callback" }],
    ["[::1] for 127.0.0.1", { client_id: NATIVE_APP.client_id, redirect_uri: "http://[::1]/callback" }],
    ["127.0.0.2", { client_id: NATIVE_APP.client_id, redirect_uri: "http://127.0.0.2/callback" }],
    ["127.0.0.1 with another path", { client_id: NATIVE_APP.client_id, redirect_uri: "http://127.0.0.1/other" }],
    ["127.0.0.1 by https", { client_id: NATIVE_APP.client_id, redirect_uri: "https://127.0.0.1/callback" }],
    [
      "127.0.0.1 as a user",
      { client_id: NATIVE_APP.client_id, redirect_uri: "http://127.0.0.1@evil.example/callback" },
    ],
    ["another client's redirect_uri", { client_id: NATIVE_APP.client_id }],
    ["H18 a request_uri elsewhere", { request_uri: "https://evil.example/request.jwt" }],
    [
      "Q13 a request_uri that was never given out",
      { request_uri: "urn:ietf:params:oauth:request_uri:par_AAAAAAAAAAAAAAAAAAAAAA" },
    ],
  ])("%s", async (_, changes) => {
    const { status, back, html } = await opened(authorizationRequest(changes));
    expect([status, back]).toEqual([400, undefined]);
    expect(html).toContain("This request cannot be answered");
    expect(html).not.toContain("evil.example");
  });

  it("H18 Q11 fetches no request_uri, and takes none in a pushed request", async () => {
    const hits: string[] = [];
    const server = createServer((incoming, outgoing) => {
      hits.push(incoming.url ?? "");
      outgoing.end("{}");
    });
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
    const request_uri = `http://localhost:${(server.address() as AddressInfo).port}/r`;
    expect((await opened(authorizationRequest({ request_uri }))).html).toContain("request_uri_not_supported");
    const pushed = await authenticated(await webApp(world), PAR, authorizationRequest({ request_uri }));
    expect(pushed).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    expect(hits).toEqual([]);
    server.close();
  });

  it("H17 repeats a parameter", async () => {
    const url = `${authorizationUrl(world, authorizationRequest())}&state=another`;
    expect((await fetch(url, { redirect: "manual" })).status).toBe(400);
  });

  it("B07 holds bytes that are no UTF-8", async () => {
    const url = `${authorizationUrl(world, authorizationRequest())}&x=%ff`;
    expect((await fetch(url, { redirect: "manual" })).status).toBe(400);
  });
});

describe("a request that names another (Q11)", () => {
  it.each(["urn:ietf:params:oauth:request_uri:x", "https://evil.example/request.jwt"])(
    "Q11 is not pushed with a request_uri inside it: %s",
    async (request_uri) => {
      const answer = await authenticated(await webApp(world), PAR, authorizationRequest({ request_uri }));
      expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request" } });
      expect(answer.body).not.toHaveProperty("request_uri");
    },
  );
});

describe("the pushed request (RFC 9126)", () => {
  const push = async (changes: Fields = {}) => authenticated(await webApp(world), PAR, authorizationRequest(changes));

  it("is answered with a one-time name that lasts under ten minutes", async () => {
    const { status, body, headers } = await push();
    expect(status).toBe(201);
    expect(body).toEqual({
      request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:par_/),
      expires_in: 90,
    });
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it("may name limits at a server behind the gateway, where they are counted", async () => {
    const resource = `${world.issuer}/mcp/tickets`;
    expect((await push({ scope: undefined, authorization_details: LIMITED, resource })).status).toBe(201);
  });

  it("wins over everything that stands beside its name", async () => {
    const { body } = await push();
    const beside = {
      ...authorizationRequest({ scope: "github:issues:write@acme/api", state: "other" }),
      request_uri: String(body["request_uri"]),
    };
    const { status, html } = await opened(beside);
    expect(status).toBe(200);
    expect(html).not.toContain("Open, change and close issues");
    expect(html).toContain("Use the tool open_issue");
  });

  it("C12 Q13 is nothing to another client", async () => {
    const { body } = await push();
    const { status, html } = await opened({
      client_id: NATIVE_APP.client_id,
      request_uri: String(body["request_uri"]),
    });
    expect([status, html.includes("invalid_request_uri")]).toEqual([400, true]);
  });

  it("Q13 may be looked at again, and begins once", async () => {
    const { body } = await push();
    const url = authorizationUrl(world, { client_id: web.client_id, request_uri: String(body["request_uri"]) });
    const visitor = new Visitor(world);
    expect((await visitor.open(url)).status).toBe(200);
    expect((await visitor.open(url)).status).toBe(200);
    const { fields } = visitor;
    expect((await visitor.begin()).status).toBe(200);
    expect((await visitor.open(url)).status).toBe(400);
    visitor.fields = fields;
    expect((await visitor.begin()).status).toBe(400);
  });

  it("D30 is refused when dpop_jkt is not the key of its proof", async () => {
    const jkt = await thumbprint(await newProofKey());
    expect(await push({ dpop_jkt: jkt })).toMatchObject({ status: 400, body: { error: "invalid_request" } });
  });

  it.each<[string, (url: string) => Promise<Response>, number[]]>([
    ["Q12 GET", (url) => fetch(url), [405]],
    ["Q12 PUT", (url) => fetch(url, { method: "PUT", body: "x" }), [405]],
    [
      "Q16 a JSON body",
      (url) => fetch(url, { method: "POST", body: "{}", headers: { "content-type": "application/json" } }),
      [415],
    ],
    ["Q16 a multipart body", (url) => fetch(url, { method: "POST", body: new FormData() }), [415]],
    ["C10 parameters in the URL", (url) => plainForm(`${url}?client_id=web-app`, {}) as never, [400]],
    ["C01 no client at all", (url) => plainForm(url, authorizationRequest({ client_id: undefined })) as never, [401]],
    [
      "C06 a client that has keys and does not use them",
      (url) => plainForm(url, authorizationRequest()) as never,
      [401],
    ],
    [
      "C06 a client that has keys and sends a secret",
      (url) => plainForm(url, authorizationRequest({ client_secret: "s" })) as never,
      [401],
    ],
    [
      "C06 a public client that sends a secret",
      (url) => plainForm(url, authorizationRequest({ client_id: "native-app", client_secret: "s" })) as never,
      [401],
    ],
    [
      "C02 Basic authentication",
      (url) => plainForm(url, authorizationRequest(), { authorization: "Basic eDp5" }) as never,
      [400],
    ],
  ])("%s is refused", async (_, send, statuses) => {
    const response = await send(world.issuer + PAR);
    expect(statuses).toContain(response.status);
  });

  it("C12 is refused when it names another client than the one that authenticates", async () => {
    expect((await push({ client_id: "native-app" })).status).toBe(401);
  });
});

describe("the page (H12)", () => {
  it("changes nothing when it is opened, however often", async () => {
    const before = (await world.emulators.mails()).length;
    for (const method of ["GET", "HEAD", "GET"]) {
      const response = await fetch(authorizationUrl(world, authorizationRequest()), { method });
      expect(response.status).toBe(200);
      expect(response.headers.get("set-cookie")).toBeNull();
    }
    expect((await world.emulators.mails()).length).toBe(before);
  });

  it("shows client, redirect and resource, escapes everything, and lies in no frame", async () => {
    const { html } = await opened(authorizationRequest({ login_hint: '"><script>x</script>' }));
    for (const text of ["Web application", "app.example", TICKETS]) expect(html).toContain(text);
    expect(html).not.toContain("<script>x");
    const response = await fetch(authorizationUrl(world, authorizationRequest()));
    expect(response.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(response.headers.get("x-frame-options")).toBe("DENY");
  });

  it("takes no post from another site", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, authorizationRequest()));
    for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
      const fields = { ...Object.fromEntries(visitor.fields), person: "dana@acme.example" };
      expect((await visitor.post("/oauth/authorize", fields, headers)).status).toBe(403);
    }
  });

  it("says the same to somebody who may decide, to somebody who may not, and to nobody", async () => {
    const pages = [];
    for (const person of ["dana@acme.example", "sam@acme.example", "nobody@acme.example", "x".repeat(150), "<b>"]) {
      const visitor = new Visitor(world);
      await visitor.open(authorizationUrl(world, authorizationRequest()));
      const response = await visitor.begin(person);
      const looked = await (await visitor.look()).json();
      const again = await visitor.continue();
      const html = (await again.text())
        .replaceAll(/value="[^"]*"/g, "")
        .replaceAll(/<strong>...-...<\/strong>/g, "")
        .replaceAll(/<time.*?<\/time>/gs, "");
      pages.push([response.status, html, again.headers.get("content-security-policy"), looked]);
    }
    expect(new Set(pages.map((page) => JSON.stringify(page))).size).toBe(1);
  });

  it("goes on to where it began, whatever its form is changed to", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, authorizationRequest()));
    await visitor.begin();
    await (await visitor.link()).approve();
    for (const changes of [
      { redirect_uri: "https://evil.example/" },
      { redirect_uri: "" },
      { state: "another" },
      { state: "" },
      { until: "1" },
      { session: "ses_CCCCCCCCCCCCCCCCCCCCCC" },
    ])
      expect([changes, (await visitor.continue(changes)).status]).toEqual([changes, 403]);
    expect(new URL((await visitor.continue()).headers.get("location") ?? "").searchParams.get("state")).toBe("a-state");
  });

  it("H12 goes on only in the browser that began", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, authorizationRequest()));
    await visitor.begin();
    await (await visitor.link()).approve();
    const stranger = new Visitor(world);
    await stranger.open(authorizationUrl(world, authorizationRequest()));
    await stranger.begin();
    const { csrf } = Object.fromEntries(visitor.fields);
    for (const [cookie, token] of [
      ["", csrf],
      [stranger.cookie, csrf],
      [stranger.cookie, stranger.fields.get("csrf")],
      [visitor.cookie, "x"],
    ]) {
      const fields = { ...Object.fromEntries(visitor.fields), csrf: token ?? "" };
      const response = await visitor.post("/oauth/authorize/continue", fields, { cookie: cookie ?? "" });
      expect(response.status).toBe(403);
    }
    expect((await visitor.continue()).status).toBe(303);
  });

  it("lets a link that was opened elsewhere deny, and never approve", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, authorizationRequest()));
    await visitor.begin();
    visitor.cookie = "";
    const elsewhere = await visitor.link();
    const { html } = await elsewhere.view();
    expect(html).toContain("begun in another browser");
    expect(html).not.toContain("Review and approve");
    expect((await elsewhere.review()).status).toBe(403);
    await elsewhere.view();
    expect((await elsewhere.decide("approve")).status).toBe(403);
    await elsewhere.view();
    expect((await elsewhere.decide("deny")).status).toBe(200);
  });

  it("returns a denial to the client", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, authorizationRequest()));
    await visitor.begin();
    await (await visitor.link()).deny();
    const back = new URL((await visitor.continue()).headers.get("location") ?? "");
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: "access_denied",
      state: "a-state",
      iss: world.issuer,
    });
  });

  it("H09 returns a state of 1,000 characters as it came", async () => {
    const state = `${"s".repeat(990)}&=%+ ä"<>`;
    const back = await authorizeAs(world, authorizationUrl(world, authorizationRequest({ state })));
    expect(back.searchParams.get("state")).toBe(state);
  });

  it("asks again for every session", async () => {
    const visitor = new Visitor(world);
    for (const _ of [1, 2]) {
      await visitor.open(authorizationUrl(world, authorizationRequest()));
      await visitor.begin();
      expect((await visitor.continue()).status).toBe(200);
      await (await visitor.link()).approve();
      expect((await visitor.continue()).status).toBe(303);
    }
  });
});

describe("the code (H05)", () => {
  async function code(fields: Fields = authorizationRequest()): Promise<string> {
    return (await authorizeAs(world, authorizationUrl(world, fields))).searchParams.get("code") ?? "";
  }
  const grant = (code: string, changes: Fields = {}): Fields => ({
    grant_type: "authorization_code",
    code,
    redirect_uri: WEB_APP.redirect_uri,
    code_verifier: VERIFIER,
    resource: TICKETS,
    ...changes,
  });

  it("yields one token for the one resource, bound to the key that the client proves", async () => {
    const client = await webApp(world);
    const answer = await authenticated(client, "/oauth/token", grant(await code()));
    expect(answer).toMatchObject({ status: 200, body: { token_type: "DPoP", scope: "mcp:tickets:open_issue" } });
    const claims = claimsOf(String(answer.body["access_token"]));
    expect(claims).toMatchObject({ aud: TICKETS, cnf: { jkt: await thumbprint(client.proofKey) } });
    expect(answer.body).not.toHaveProperty("refresh_token");
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it.each<[string, Fields, string]>([
    ["another redirect_uri", { redirect_uri: "https://app.example/other" }, "invalid_grant"],
    ["no redirect_uri", { redirect_uri: undefined }, "invalid_grant"],
    ["another verifier", { code_verifier: "x".repeat(43) }, "invalid_grant"],
    ["the challenge as its verifier", { code_verifier: CHALLENGE }, "invalid_grant"],
    ["no verifier", { code_verifier: undefined }, "invalid_request"],
    ["a verifier that is too short", { code_verifier: "x".repeat(42) }, "invalid_request"],
    ["a verifier that is too long", { code_verifier: "x".repeat(129) }, "invalid_request"],
    ["no code", { code: undefined }, "invalid_request"],
    ["a code that nobody made", { code: `cod_${"A".repeat(65)}` }, "invalid_grant"],
    ["an auth_req_id as code", { code: `req_${"A".repeat(65)}` }, "invalid_grant"],
    ["another resource", { resource: NOTES }, "invalid_target"],
    ["the issuer as resource", { resource: "http://localhost" }, "invalid_target"],
  ])("is refused with %s, and is still good for its client", async (_, changes, error) => {
    const client = await webApp(world);
    const good = await code();
    const refused = await authenticated(client, "/oauth/token", { ...grant(good), ...changes });
    expect(refused).toMatchObject({ status: 400, body: { error } });
    expect((await authenticated(client, "/oauth/token", grant(good))).status).toBe(200);
  });

  it("is nothing to another client", async () => {
    const other = await world.agent();
    const refused = await authenticated(other, "/oauth/token", grant(await code()));
    expect(refused).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("C01 C06 is nothing to somebody who only says that it is the client", async () => {
    const refused = await plainForm(`${world.issuer}/oauth/token`, {
      ...grant(await code()),
      client_id: web.client_id,
    });
    expect(refused).toMatchObject({ status: 401, body: { error: "invalid_client" } });
  });

  it("D31 is nothing to another key than the one that was named", async () => {
    const client = await webApp(world);
    const good = await code(authorizationRequest({ dpop_jkt: await thumbprint(client.proofKey) }));
    const refused = await authenticated(await webApp(world), "/oauth/token", grant(good));
    expect(refused).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect((await authenticated(client, "/oauth/token", grant(good))).status).toBe(200);
  });

  it("D01 D36 yields nothing without a proof", async () => {
    const client = await webApp(world);
    const refused = await plainForm(`${world.issuer}/oauth/token`, {
      ...grant(await code()),
      ...(await client.assertion()),
    });
    expect(refused).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it("ends the session and its token when it is presented twice", async () => {
    const client = await webApp(world);
    const good = await code();
    const token = String((await authenticated(client, "/oauth/token", grant(good))).body["access_token"]);
    expect((await client.introspect(token)).body["active"]).toBe(true);
    const again = await authenticated(client, "/oauth/token", grant(good));
    expect(again).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect((await client.introspect(token)).body).toEqual({ active: false });
  });

  it("is redeemed once, of twenty at once", async () => {
    const client = await webApp(world);
    const good = await code();
    await client.introspect("warm up for a nonce");
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => authenticated(client, "/oauth/token", grant(good))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("dies with the revocation of its token, and the whole session with it", async () => {
    const client = await webApp(world);
    const { body } = await authenticated(client, "/oauth/token", grant(await code()));
    const token = String(body["access_token"]);
    await authenticated(client, "/oauth/revoke", { token });
    expect((await client.introspect(token)).body).toEqual({ active: false });
    const { body: session } = await world.broker.admin("GET", `/admin/sessions/${String(body["session_id"])}`);
    expect(session).toMatchObject({ status: "ended", how: "revoked" });
  });
});

describe("a token that is bound to no key", () => {
  const asked = (changes: Fields = {}): Record<string, string> =>
    authorizationRequest({ ...MCP_HOST, scope: undefined, resource: NOTES, ...changes });
  const redeem = (code: string, changes: Fields = {}) =>
    plainForm(`${world.issuer}/oauth/token`, {
      grant_type: "authorization_code",
      client_id: MCP_HOST.client_id,
      code,
      redirect_uri: MCP_HOST.redirect_uri,
      code_verifier: VERIFIER,
      ...changes,
    });

  it("is announced to the approver, marked in the log, and no use at Stint itself", async () => {
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(world, asked()));
    await visitor.begin();
    const approver = await visitor.link();
    const { html } = await approver.view();
    expect(html).toContain("none: whoever holds the token can use it");
    expect(html).toContain("The token is bound to no key");
    await approver.review();
    await approver.decide("approve");
    const code = new URL((await visitor.continue()).headers.get("location") ?? "").searchParams.get("code") ?? "";
    const { status, body } = await redeem(code);
    expect([status, body["token_type"]]).toEqual([200, "Bearer"]);
    const token = String(body["access_token"]);
    for (const scheme of ["Bearer", "DPoP"]) {
      const response = await fetch(`${world.issuer}/proxy/github/repos/acme/api/issues`, {
        headers: { authorization: `${scheme} ${token}` },
      });
      expect(response.status).toBe(401);
    }
    await until("the audit row", async () => {
      const rows = await auditRows(world);
      return rows.find(({ type, data }) => type === "token.minted" && data.includes('"bearer":true'));
    });
  });

  it("is refused to a client that was not told so, at a server that takes them", async () => {
    const code = (
      await authorizeAs(
        world,
        authorizationUrl(world, { ...asked(), client_id: NATIVE_APP.client_id, redirect_uri: NATIVE_APP.redirect_uri }),
      )
    ).searchParams.get("code");
    const answer = await redeem(code ?? "", { client_id: NATIVE_APP.client_id, redirect_uri: NATIVE_APP.redirect_uri });
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it("is refused to a client that was told so, at a server that was not", async () => {
    const url = authorizationUrl(world, { ...asked(), scope: "mcp:tickets:open_issue", resource: TICKETS });
    const code = (await authorizeAs(world, url)).searchParams.get("code");
    expect(await redeem(code ?? "")).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("is refused to a client that named a key", async () => {
    const dpop_jkt = await thumbprint(await newProofKey());
    const code = (await authorizeAs(world, authorizationUrl(world, asked({ dpop_jkt })))).searchParams.get("code");
    expect(await redeem(code ?? "")).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("is for what only reads, when nothing is named", async () => {
    const { html } = await opened(asked());
    expect(html).toContain("list_notes");
    expect(html).not.toContain("write_note");
    const { error } = await opened(asked({ resource: POSTS }));
    expect(error).toBe("invalid_scope");
  });
});

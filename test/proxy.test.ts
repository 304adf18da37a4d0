import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { athOf, forgeProof } from "./support/forge.ts";
import { approvedSession, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const KEY = "weather-secret-key";

let world: TestWorld;
let session: Approved;
let token: string;
beforeAll(async () => {
  world = await startTestWorld();
  session = await approvedSession(world);
  token = await session.proxyToken("echo");
});
afterAll(() => world?.close());
beforeEach(() => {
  world.echo.seen.length = 0;
  world.echo.answer = () => ({ status: 200, headers: { "content-type": "application/json" }, body: '{"ok":true}' });
});

interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Sends a request line to the letter, with a proof that is good for it. */
async function raw(
  method: string,
  path: string,
  headers: Record<string, string | string[]> = {},
  body?: string,
): Promise<RawAnswer> {
  const htu = `${world.issuer}${path.split("?", 1)[0]}`;
  const dpop = await forgeProof(session.agent, { htm: method, htu, nonce: await freshNonce(), ath: athOf(token) });
  return send(method, path, { authorization: `DPoP ${token}`, dpop, ...headers }, body);
}

/** Asked for by a call without a body: who answers before reading 20 MB breaks the pipe it is written to. */
async function freshNonce(): Promise<string> {
  const htu = `${world.issuer}/proxy/echo/things`;
  const dpop = await forgeProof(session.agent, { htm: "GET", htu, ath: athOf(token) });
  const answer = await send("GET", "/proxy/echo/things", { authorization: `DPoP ${token}`, dpop });
  expect(answer.headers["www-authenticate"]).toContain("use_dpop_nonce");
  return String(answer.headers["dpop-nonce"]);
}

function send(
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  body?: string,
): Promise<RawAnswer> {
  return new Promise((done, fail) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port: world.broker.port,
        method,
        path,
        headers: { host: new URL(world.issuer).host, ...headers },
        setHost: false,
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => done({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
        response.on("error", () =>
          done({ status: response.statusCode ?? 0, headers: response.headers, body: `${text}<cut>` }),
        );
      },
    );
    sent.on("error", fail);
    sent.end(body);
  });
}

describe("the proxy toward the upstream (group P)", () => {
  it("injects the key, passes what may pass, and streams the body", async () => {
    const answer = await raw(
      "POST",
      "/proxy/echo/things?state=open",
      { "content-type": "application/json", "if-match": '"x"' },
      '{"a":1}',
    );
    expect(answer).toMatchObject({ status: 200, body: '{"ok":true}' });
    const [seen] = world.echo.seen;
    expect(seen).toMatchObject({ method: "POST", url: "/things?state=open", body: '{"a":1}' });
    expect(seen?.headers).toMatchObject({ "x-api-key": KEY, "content-type": "application/json", "if-match": '"x"' });
  });

  it.each([
    "/proxy/echo/things/..%2f..%2fsecrets",
    "/proxy/echo/things/%2e%2e/secrets",
    "/proxy/echo/../echo/secrets",
    "/proxy/echo/things/..",
    "/proxy/echo//things",
    "/proxy/echo/things/",
    "/proxy/echo/things/%5c",
    "/proxy/echo/things/%00",
    "/proxy/echo/things/%252e",
    "/proxy/echo/things;/../secrets",
    "/proxy/echo/things/%c0%ae",
    "/proxy/echo/things/%E2%80%A5",
    "/proxy/echo/things/%aF",
    "/proxy/echo/t%68ings",
    "/proxy/echo/things/a\\b",
    "/proxy/echo/things?a=1&a=2",
    "/proxy/echo/things?a=1&%61=2",
    "/proxy/echo/things?a[]=1&a=2",
    "/proxy/echo/things?a[]=1&A[]=2",
    "/proxy/echo/things?a[]=1&a[0]=2",
    "/proxy/echo/things?a[]=1;a[]=2",
    "/proxy/echo/things?access_token[]=x&access_token[]=y",
    "/proxy/echo/things?x_api_key[0]=x",
    "/proxy/echo/things?_method[]=GET&_method[]=DELETE",
    "/proxy/echo/things?access_token=x",
    "/proxy/echo/things?API_KEY=x",
    "/proxy/echo/things?_method=DELETE",
  ])("P06 P21 refuses %s with 400, and nothing leaves", async (path) => {
    expect((await raw("GET", path)).status).toBe(400);
    expect(world.echo.seen).toEqual([]);
  });

  it.each([
    ["a path of no operation", "GET", "/proxy/echo/other"],
    ["an operation that was not granted", "GET", "/proxy/echo/secrets"],
    ["a method of no operation", "PATCH", "/proxy/echo/things/1"],
    ["another case", "GET", "/proxy/echo/Things"],
    ["X26 another upstream with this token", "GET", "/proxy/github/repos/acme/api/issues"],
    ["no such upstream", "GET", "/proxy/nobody/x"],
    ["no upstream", "GET", "/proxy/"],
    ["no path", "GET", "/proxy/echo"],
  ])("P01 P08 refuses %s, and nothing leaves", async (_, method, path) => {
    expect([401, 403]).toContain((await raw(method, path)).status);
    expect(world.echo.seen).toEqual([]);
  });

  it.each([
    "/proxy/echo./things",
    "/proxy/echo.evil.test/things",
    "/proxy/echo@evil.test/things",
    "/proxy/@evil.test/things",
    "/proxy/user:pass@echo/things",
    "/proxy/user%3Apass%40echo/things",
    "/proxy/ECHO/things",
    "/proxy/%65cho/things",
    "/proxy/echo%2e/things",
    "/proxy/echo%2Fthings",
    "/proxy/%EF%BD%85cho/things",
    "/proxy/xn--cho-mna/things",
    "/proxy/echo:443/things",
    "/proxy/http://echo/things",
    "/proxy/__proto__/things",
  ])("P04 P07 takes nothing for the upstream that only looks like it: %s", async (path) => {
    expect([400, 401, 403]).toContain((await raw("GET", path)).status);
    expect(world.echo.seen).toEqual([]);
  });

  it.each(["TRACE", "PROPFIND", "LOCK"])("P08 refuses the method %s", async (method) => {
    expect((await raw(method, "/proxy/echo/things")).status).toBe(405);
    expect(world.echo.seen).toEqual([]);
  });

  it("P09 P10 P11 P14 lets no credential, cookie, override or forwarding header through", async () => {
    const hostile = {
      cookie: "a=b",
      "x-api-key": "mine",
      "X-Api-Key": "mine",
      "proxy-authorization": "Basic x",
      "x-http-method-override": "DELETE",
      "x-method-override": "DELETE",
      "x-forwarded-for": "1.2.3.4",
      "x-forwarded-host": "evil.test",
      forwarded: "for=1.2.3.4",
      via: "x",
      "x-real-ip": "1.2.3.4",
      "x-original-url": "/secrets",
      "x-rewrite-url": "/secrets",
      "cf-connecting-ip": "1.2.3.4",
      "true-client-ip": "1.2.3.4",
      x_api_key: "mine",
      "accept-encoding": "gzip",
      referer: "https://evil.test",
    };
    expect((await raw("GET", "/proxy/echo/things", hostile)).status).toBe(200);
    const headers = world.echo.seen[0]!.headers;
    expect(headers["x-api-key"]).toBe(KEY);
    for (const name of Object.keys(hostile).map((key) => key.toLowerCase())) {
      if (name !== "x-api-key" && name !== "accept-encoding") expect(headers[name], name).toBeUndefined();
    }
    expect(headers["authorization"]).toBeUndefined();
    expect(headers["dpop"]).toBeUndefined();
    expect(headers["host"]).toBe(new URL(world.echo.url).host);
  });

  it("P12 keeps the injected header when Connection nominates it", async () => {
    await raw("GET", "/proxy/echo/things", { connection: "x-api-key, authorization" });
    expect(world.echo.seen[0]?.headers["x-api-key"] ?? KEY).toBe(KEY);
  });

  it("P15 refuses upgrades and expectations", async () => {
    expect((await raw("GET", "/proxy/echo/things", { te: "trailers" })).status).toBe(400);
    expect(world.echo.seen).toEqual([]);
  });

  it("P17 refuses two Authorization headers", async () => {
    const proof = await forgeProof(session.agent, {
      htm: "GET",
      htu: `${world.issuer}/proxy/echo/things`,
      ath: athOf(token),
    });
    const { status } = await send("GET", "/proxy/echo/things", {
      authorization: [`DPoP ${token}`, `DPoP ${token}`],
      dpop: proof,
    });
    expect([400, 401]).toContain(status);
  });

  it("answers HEAD as it would GET", async () => {
    expect((await raw("HEAD", "/proxy/echo/things")).status).toBe(200);
    expect(world.echo.seen[0]?.method).toBe("HEAD");
  });

  it("needs a token whose details cover the call, whatever the session holds", async () => {
    const { agent, sessionToken } = session;
    const readOnly = await agent.exchange(sessionToken, `${world.issuer}/proxy/echo`, {
      authorization_details: JSON.stringify([{ type: "upstream_access", upstream: "echo", actions: ["things:read"] }]),
    });
    const answer = await agent.call(String(readOnly.body["access_token"]), "POST", "/proxy/echo/things", {});
    expect(answer).toMatchObject({ status: 403, body: { error: "access_denied", reason: "not_granted" } });
    expect(world.echo.seen).toEqual([]);
  });
});

describe("the proxy toward the caller (group O)", () => {
  it("O02 O08 O13 strips what would harm, and forbids keeping", async () => {
    world.echo.answer = () => ({
      status: 200,
      headers: {
        "set-cookie": "a=b",
        "www-authenticate": "Basic",
        "access-control-allow-origin": "*",
        "cache-control": "public, max-age=999",
        "x-secret": "x",
        etag: '"1"',
        "content-type": "application/json",
      },
      body: "{}",
    });
    const { headers } = await raw("GET", "/proxy/echo/things");
    for (const name of ["set-cookie", "www-authenticate", "access-control-allow-origin", "x-secret"])
      expect(headers[name], name).toBeUndefined();
    expect(headers["cache-control"]).toBe("private, no-store");
    expect(headers["etag"]).toBe('"1"');
  });

  it.each([401, 407])("O03 turns the upstream's %i into 502 upstream_unauthorized", async (status) => {
    world.echo.answer = () => ({ status, body: "no" });
    const answer = await raw("GET", "/proxy/echo/things");
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ error: "upstream_unauthorized" });
  });

  it.each([301, 302, 303, 307, 308])("O04 O05 follows no redirect (%i), and passes no Location on", async (status) => {
    world.echo.answer = () => ({ status, headers: { location: `https://evil.test/?token=${KEY}` } });
    const answer = await raw("POST", "/proxy/echo/things", {}, "{}");
    expect(answer.status).toBe(502);
    expect(JSON.stringify(answer)).not.toContain("evil.test");
    expect(world.echo.seen).toHaveLength(1);
  });

  it("O09 makes HTML inert", async () => {
    world.echo.answer = () => ({
      status: 200,
      headers: { "content-type": "text/html" },
      body: "<script>alert(1)</script>",
    });
    const { headers } = await raw("GET", "/proxy/echo/things");
    expect(headers["content-disposition"]).toBe("attachment");
    expect(headers["content-security-policy"]).toContain("sandbox");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });

  it.each([204, 205, 304])("passes %i on, which has no body", async (status) => {
    world.echo.answer = () => ({ status });
    expect(await raw("GET", "/proxy/echo/things")).toMatchObject({ status, body: "" });
  });

  it.each([400, 403, 404, 409, 422, 500, 503])("passes the upstream's own %i on", async (status) => {
    world.echo.answer = () => ({ status, headers: { "content-type": "application/json" }, body: '{"message":"x"}' });
    expect(await raw("GET", "/proxy/echo/things")).toMatchObject({ status, body: '{"message":"x"}' });
  });

  it("P30 tries nothing twice", async () => {
    world.echo.answer = () => ({ status: 500, body: "x" });
    await raw("POST", "/proxy/echo/things", {}, "{}");
    expect(world.echo.seen).toHaveLength(1);
  });
});

describe("bodies through the proxy (faults FJ, FX)", () => {
  const MEGABYTE = 1024 * 1024;

  it("streams 20 MB up and 20 MB down", async () => {
    const body = "x".repeat(20 * MEGABYTE);
    world.echo.answer = () => ({ status: 200, headers: { "content-type": "text/plain" }, body });
    const answer = await raw("POST", "/proxy/echo/things", { "content-type": "text/plain" }, body);
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBe(body.length);
    expect(world.echo.seen[0]?.body.length).toBe(body.length);
  });

  it("O11 shows an answer that was cut as cut, and stays up", async () => {
    world.echo.answer = () => ({ status: 200, headers: { "content-length": "1000" }, body: "short", cut: true });
    const answer = await raw("GET", "/proxy/echo/things").catch(() => ({ status: 0, body: "<cut>" }));
    expect(answer.status === 502 || answer.body.endsWith("<cut>")).toBe(true);
    world.echo.answer = () => ({ status: 200, body: "{}" });
    expect((await raw("GET", "/proxy/echo/things")).status).toBe(200);
  });
});

describe("P28 an address in the body, to which an upstream would send later", () => {
  it.each([
    ["POST", "/repos/acme/api/hooks", { config: { url: "https://evil.example/", content_type: "json" } }],
    ["PATCH", "/repos/acme/api/hooks/1", { config: { url: "https://evil.example/" } }],
    ["PATCH", "/repos/acme/api/hooks/1/config", { url: "https://evil.example/" }],
    ["POST", "/orgs/acme/hooks", { name: "web", config: { url: "https://evil.example/" } }],
    ["PUT", "/repos/acme/api/import", { vcs_url: "https://evil.example/" }],
  ])("is not given to GitHub by %s %s, which no operation covers", async (method, path, body) => {
    const github = await session.proxyToken("github");
    const before = world.emulators.githubRequests();
    expect(await session.agent.call(github, method, `/proxy/github${path}`, body)).toMatchObject({
      status: 403,
      body: { error: "access_denied", reason: "unknown_operation" },
    });
    expect(world.emulators.githubRequests()).toBe(before);
  });
});

describe("what an upstream that is not there gets the caller (fault FI)", () => {
  it("is 502, without a credential in it", async () => {
    await world.echo.close();
    const answer = await raw("GET", "/proxy/echo/things");
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ error: "upstream_unavailable" });
    expect(answer.body).not.toContain(KEY);
  });
});

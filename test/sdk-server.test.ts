import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newProofKey, type ProofKey, type Session } from "../sdk/agent/index.ts";
import { claimsOf } from "./support/approver.ts";
import { athOf, forgeProof, hmacSigned, newKey, nowSeconds, signRaw } from "./support/forge.ts";
import { startGuardedWorld, type GuardedWorld, type Kind } from "./support/guarded-world.ts";

let world: GuardedWorld;
beforeAll(async () => {
  world = await startGuardedWorld();
});
afterAll(() => world?.close());

/** Sends a request by hand, with a good proof unless told otherwise. */
async function send(
  kind: Kind,
  { token, key }: { token: string; key: ProofKey },
  changes: {
    method?: string;
    url?: string;
    headers?: Record<string, string>;
    claims?: Record<string, unknown>;
    header?: Record<string, unknown>;
    body?: string;
  } = {},
): Promise<{ status: number; error: unknown; challenge: string; body: Record<string, unknown>; headers: Headers }> {
  const { method = changes.body === undefined ? "GET" : "POST", url = world.resource[kind], headers } = changes;
  const claims = { htm: method, htu: world.resource[kind], ath: athOf(token), ...changes.claims };
  const proof = await forgeProof({ proofKey: key } as never, claims, changes.header);
  const response = await fetch(url, {
    method,
    headers: { authorization: `DPoP ${token}`, dpop: proof, "content-type": "application/json", ...headers },
    ...(changes.body === undefined ? {} : { body: changes.body }),
  });
  const text = await response.text();
  const body = (text.startsWith("{") ? JSON.parse(text) : { text }) as Record<string, unknown>;
  const challenge = response.headers.get("www-authenticate") ?? "";
  return { status: response.status, error: body["error"], challenge, body, headers: response.headers };
}

/** A holder of a token for a server. */
async function holder(kind: Kind, tools: readonly string[] = ["list_issues"]) {
  const key = await newProofKey();
  const session = await world.approvedFor(kind, tools, key);
  const token = (await session.exchange(world.resource[kind])).accessToken;
  return { key, session, token };
}

const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content[0]!.text;

async function mcpClient(session: Session): Promise<Client> {
  const client = new Client({ name: "host", version: "1.0.0" });
  const { mcp } = world.resource;
  await client.connect(new StreamableHTTPClientTransport(new URL(mcp), { fetch: session.fetch(mcp) }));
  return client;
}

describe("a server behind the guard", () => {
  it("serves an MCP client 2.x, that reads and writes at GitHub by its session alone", async () => {
    const session = await world.approvedFor("mcp", ["list_issues", "open_issue"]);
    const client = await mcpClient(session);
    const opened = await client.callTool({ name: "open_issue", arguments: { repository: "acme/api", title: "By 2" } });
    expect(textOf(opened)).toMatch(/^Opened acme\/api#\d+$/);
    expect(textOf(await client.callTool({ name: "list_issues", arguments: { repository: "acme/api" } }))).toContain(
      "By 2",
    );
    await client.close();
  });

  it("serves an MCP client 1.x", async () => {
    const session = await world.approvedFor("mcp", ["list_issues"]);
    const client = new OldClient({ name: "host", version: "1.0.0" });
    const { mcp } = world.resource;
    await client.connect(new OldTransport(new URL(mcp), { fetch: session.fetch(mcp) }) as never);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["list_issues", "open_issue"]);
    const said = await client.callTool({ name: "list_issues", arguments: { repository: "acme/api" } });
    expect(said["isError"]).toBeUndefined();
    await client.close();
  });

  it.each(["hono", "plain", "offline", "nonces"] as const)("serves the agent's fetch: %s", async (kind) => {
    const session = await world.approvedFor(kind, ["list_issues", "open_issue"]);
    const call = session.fetch(world.resource[kind]);
    const opened = await call(world.resource[kind], { method: "POST", body: JSON.stringify({ title: `By ${kind}` }) });
    expect(opened.status).toBe(201);
    const listed = (await (await call(world.resource[kind])).json()) as { title: string }[];
    expect(listed.map(({ title }) => title)).toContain(`By ${kind}`);
  });

  it.each(["mcp", "hono", "plain"] as const)(
    "says who issues tokens for it, at the path form and the root: %s",
    async (kind) => {
      const { origin, pathname } = new URL(world.resource[kind]);
      for (const path of ["", pathname]) {
        const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`);
        expect(await response.json()).toMatchObject({
          resource: world.resource[kind],
          authorization_servers: [world.issuer],
          scopes_supported: [`mcp:${world.serverId(kind)}:list_issues`, `mcp:${world.serverId(kind)}:open_issue`],
          bearer_methods_supported: [],
          dpop_bound_access_tokens_required: true,
        });
      }
      const challenge = (await fetch(world.resource[kind])).headers.get("www-authenticate");
      expect(challenge).toMatch(/^DPoP algs="ES256 PS256 EdDSA", resource_metadata=/);
      expect(challenge).toContain(`resource_metadata="${origin}/.well-known/oauth-protected-resource${pathname}"`);
      expect(challenge).toContain(`scope="mcp:${world.serverId(kind)}:list_issues"`);
      expect(challenge).not.toContain("error=");
    },
  );

  it("reaches no upstream, and nothing else of Stint's, that the session was not granted", async () => {
    const client = await mcpClient(await world.approvedFor("mcp", ["list_issues"]));
    const said = await client.callTool({ name: "list_issues", arguments: { repository: "acme/web" } });
    expect([said.isError, textOf(said)]).toEqual([true, expect.stringContaining("Stint refused")]);
    for (const repository of ["../../../sessions", "acme/api/../web", "../../echo/things?x="])
      expect(await client.callTool({ name: "list_issues", arguments: { repository } })).toMatchObject({
        isError: true,
      });
    expect(world.echo.seen).toEqual([]);
    await client.close();
  });
});

describe.each(["plain", "offline", "hono", "mcp"] as const)("who is turned away: %s", (kind) => {
  let good: Awaited<ReturnType<typeof holder>>;
  beforeAll(async () => {
    good = await holder(kind);
  });
  // For MCP, a request that any good token may make.
  const message = kind === "mcp" ? { body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' } : {};
  const accept = { accept: "application/json, text/event-stream" };
  const attempt = (who: { token: string; key: ProofKey }, changes: Parameters<typeof send>[2] = {}) =>
    send(kind, who, { ...message, ...changes, headers: { ...accept, ...changes.headers } });

  it("nobody whose token and proof are good", async () => {
    expect(await attempt(good)).toMatchObject({ status: 200 });
  });

  it("G05 a token in the query", async () => {
    const url = `${world.resource[kind]}?access_token=${good.token}`;
    expect(await attempt(good, { url })).toMatchObject({ status: 400, error: "invalid_request" });
    expect((await fetch(url)).status).toBe(400);
  });

  it("G06 tokens that were not issued for it: an upstream's own, the proxy's, another server's", async () => {
    const other = await holder(kind === "plain" ? "hono" : "plain");
    const proxy = (await good.session.exchange(`${world.issuer}/proxy/github`)).accessToken;
    const tokens = ["ghs_16C7e42F292c6912E7710c838347Ae178B4a", "x", proxy];
    for (const token of tokens)
      expect(await attempt({ ...good, token })).toMatchObject({ status: 401, error: "invalid_token" });
    expect(await attempt(other)).toMatchObject({ status: 401, error: "invalid_token" });
  });

  it("G08 a state handle without a token", async () => {
    const response = await fetch(world.resource[kind], {
      method: "POST",
      headers: { ...accept, "mcp-session-id": good.session.id, "content-type": "application/json" },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    });
    expect(response.status).toBe(401);
  });

  it("forged tokens, and tokens that name no algorithm", async () => {
    const claims = claimsOf(good.token);
    const header = JSON.parse(Buffer.from(good.token.split(".")[0]!, "base64url").toString()) as { kid: string };
    const [, payload] = good.token.split(".");
    const attacker = await newKey();
    const { kty, crv, x, y } = attacker;
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    const forged = [
      `${encode({ ...header, alg: "none" })}.${payload}.`,
      `${encode({ ...header, alg: "none" })}.${payload}.AA`,
      await signRaw(header, claims, attacker),
      await signRaw({ ...header, jwk: { kty, crv, x, y } }, claims, attacker),
      await signRaw({ ...header, jku: `${world.echo.url}/keys` }, claims, attacker),
      hmacSigned({ ...header, alg: "HS256" }, claims, JSON.stringify(jwks.keys[0])),
      `${good.token.slice(0, -4)}AAAA`,
      good.token.replace(payload!, encode({ ...claims, exp: 9e9 })),
    ];
    for (const token of forged)
      expect(await attempt({ ...good, token }), token).toMatchObject({ status: 401, error: "invalid_token" });
    expect(world.echo.seen).toEqual([]);
  });

  it.each([
    ["the Bearer scheme", { authorization: "Bearer" }],
    ["the Bearer scheme in capitals", { authorization: "BEARER" }],
    ["another scheme", { authorization: "Basic" }],
  ])("%s", async (_, { authorization }) => {
    const headers = { authorization: `${authorization} ${good.token}` };
    const refused = await attempt(good, { headers });
    expect(refused.status).toBe(401);
    expect(refused.challenge).toMatch(/^DPoP /);
  });

  it.each([
    ["no proof", { headers: { dpop: "" } }],
    ["another method", { claims: { htm: "DELETE" } }],
    ["another address", { claims: { htu: "http://localhost:9/tickets" } }],
    ["another path", { claims: { htu: "http://localhost:9/" } }],
    ["no ath", { claims: { ath: undefined } }],
    ["another token's ath", { claims: { ath: athOf("x") } }],
    ["a proof of yesterday", { claims: { iat: nowSeconds() - 86_400 } }],
    ["a proof of tomorrow", { claims: { iat: nowSeconds() + 86_400 } }],
    ["no jti", { claims: { jti: undefined } }],
    ["an empty jti", { claims: { jti: "" } }],
    ["a jti without end", { claims: { jti: "x".repeat(4000) } }],
    ["a proof of another type", { header: { typ: "JWT" } }],
  ])("%s", async (_, changes) => {
    expect(await attempt(good, changes)).toMatchObject({ status: 401, error: "invalid_dpop_proof" });
  });

  it("wrong htu behind a proxy: no header of the request says where it was sent", async () => {
    const elsewhere = "https://evil.example";
    const headers = {
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example;proto=https",
    };
    const htu = elsewhere + new URL(world.resource[kind]).pathname;
    expect(await attempt(good, { headers, claims: { htu } })).toMatchObject({ status: 401 });
    expect(await attempt(good, { headers })).toMatchObject({ status: 200 });
  });

  it("a proof by another key, and one that shows its private half", async () => {
    expect(await attempt({ ...good, key: await newProofKey() })).toMatchObject({
      status: 401,
      error: "invalid_dpop_proof",
    });
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const shown = { privateKey, publicJwk: await exportJWK(publicKey) };
    const header = { jwk: await exportJWK(privateKey) };
    expect(await attempt({ ...good, key: shown }, { header })).toMatchObject({
      status: 401,
      error: "invalid_dpop_proof",
    });
    const secret = new TextEncoder().encode("a shared secret of thirty-two by");
    const symmetric = await new SignJWT({ htm: "GET", htu: world.resource[kind], jti: "x", ath: athOf(good.token) })
      .setProtectedHeader({ alg: "HS256", typ: "dpop+jwt", jwk: { kty: "oct", k: "YQ" } as never })
      .setIssuedAt()
      .sign(secret);
    expect(await attempt(good, { headers: { dpop: symmetric } })).toMatchObject({ status: 401 });
  });

  it("a proof that was used, of ten at once too", async () => {
    const method = kind === "mcp" ? "POST" : "GET";
    const claims = { htm: method, htu: world.resource[kind], ath: athOf(good.token), jti: crypto.randomUUID() };
    const dpop = await forgeProof({ proofKey: good.key } as never, claims);
    const answers = await Promise.all(Array.from({ length: 10 }, () => attempt(good, { headers: { dpop } })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ error }) => error === "invalid_dpop_proof")).toHaveLength(9);
  });

  it("two proofs, two tokens", async () => {
    const claims = { htm: "GET", htu: world.resource[kind], ath: athOf(good.token) };
    const proofs = await Promise.all([1, 2].map(() => forgeProof({ proofKey: good.key } as never, claims)));
    expect(await attempt(good, { headers: { dpop: proofs.join(", ") } })).toMatchObject({ status: 401 });
    const authorization = `DPoP ${good.token}, DPoP ${good.token}`;
    expect(await attempt(good, { headers: { authorization } })).toMatchObject({ status: 401 });
  });

  it("pages of another origin", async () => {
    for (const origin of ["https://evil.example", "null"])
      expect(await attempt(good, { headers: { origin } })).toMatchObject({ status: 403, error: "access_denied" });
    expect(await attempt(good, { headers: { origin: new URL(world.resource[kind]).origin } })).toMatchObject({
      status: 200,
    });
  });
});

describe("tools", () => {
  let reader: Awaited<ReturnType<typeof holder>>;
  let writer: Awaited<ReturnType<typeof holder>>;
  beforeAll(async () => {
    reader = await holder("mcp", ["list_issues"]);
    writer = await holder("mcp", ["list_issues", "open_issue"]);
  });
  const call = (name: unknown, id = 1) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name, arguments: { repository: "acme/api", title: "Never" } },
  });
  const post = async (who: Awaited<ReturnType<typeof holder>>, body: unknown) =>
    send("mcp", who, {
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { accept: "application/json, text/event-stream" },
    });
  const titles = async () => (await world.emulators.issues("acme/api")).map(({ title }) => title);

  it.each([
    "acme/api/issues/1/comments#",
    "acme/api/issues/1/comments?",
    "acme/api/../api",
    "acme/..",
    "acme/.",
    "../repos/acme/api",
    "acme/api/",
    "acme\\api",
    "acme/%61pi",
    "acme/api\u0000",
    "acme/\uff41pi",
    "",
  ])("are not bent into other calls by what becomes part of a path: %j", async (repository) => {
    const before = await titles();
    for (const name of ["list_issues", "open_issue"]) {
      const { text } = (
        await post(writer, {
          ...call(name),
          params: { name, arguments: { repository, title: "Never" } },
        })
      ).body as { text: string };
      expect(text).toContain('"isError":true');
      expect(text).not.toContain("Stint refused");
    }
    expect(await titles()).toEqual(before);
  });

  it("that were not granted are challenged for, with the whole set to ask for", async () => {
    const refused = await post(reader, call("open_issue"));
    expect(refused).toMatchObject({ status: 403, error: "insufficient_scope" });
    expect(refused.challenge).toContain('error="insufficient_scope"');
    expect(refused.challenge).toContain('scope="mcp:tickets:list_issues mcp:tickets:open_issue"');
    expect(refused.challenge).toContain('resource_metadata="');
    expect(await titles()).not.toContain("Never");
  });

  it.each(["hono", "plain", "offline"] as const)("are demanded of routes: %s", async (kind) => {
    const who = await holder(kind, ["list_issues"]);
    const refused = await send(kind, who, { body: '{"title":"Never"}' });
    const id = world.serverId(kind);
    expect(refused).toMatchObject({ status: 403, error: "insufficient_scope" });
    expect(refused.challenge).toContain(`scope="mcp:${id}:list_issues mcp:${id}:open_issue"`);
    expect(await titles()).not.toContain("Never");
  });

  it.each([
    "Open_Issue",
    "open_issue ",
    " open_issue",
    "open_issue\u0000",
    "ｏpen_issue",
    "open\u005Fissuе",
    "o\u200Bpen_issue",
    "constructor",
    "__proto__",
    "toString",
    "",
    "mcp:tickets:open_issue",
    'x", scope="everything',
    "x\r\nset-cookie: a=b",
  ])("are known letter for letter: %j", async (name) => {
    const refused = await post(writer, call(name));
    expect(refused).toMatchObject({ status: 403, error: "access_denied" });
    expect(refused.headers.get("set-cookie")).toBeNull();
    expect(await titles()).not.toContain("Never");
  });

  it("in a batch with a forbidden one are all refused", async () => {
    for (const batch of [
      [call("list_issues"), call("open_issue", 2)],
      [call("open_issue"), call("list_issues", 2)],
      [{ jsonrpc: "2.0", id: 3, method: "ping" }, call("open_issue", 2)],
    ])
      expect(await post(reader, batch)).toMatchObject({ status: 403, error: "insufficient_scope" });
    expect(await titles()).not.toContain("Never");
  });

  it("are judged in the message that is carried out, where it says a thing twice", async () => {
    const twice = (first: string, second: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${first}","name":"${second}","arguments":{"repository":"acme/api","title":"Never"}}}`;
    expect(await post(reader, twice("list_issues", "open_issue"))).toMatchObject({ status: 403 });
    await post(reader, twice("open_issue", "list_issues"));
    await post(reader, '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"open_issue"}}');
    expect(await titles()).not.toContain("Never");
  });

  it.each([
    ["no JSON", "{"],
    ["a text", '"tools/call"'],
    ["nothing", ""],
    ["an empty batch", "[]"],
    ["a batch in a batch", [[{ jsonrpc: "2.0", id: 1, method: "ping" }]]],
    ["a call without a name", { jsonrpc: "2.0", id: 1, method: "tools/call" }],
    ["a call of a list", call(["list_issues"])],
    ["a method that is no text", { jsonrpc: "2.0", id: 1, method: ["tools/call"] }],
    ["null", "null"],
  ])("a message that is %s is refused", async (_, body) => {
    expect(await post(reader, body)).toMatchObject({ status: 400, error: "invalid_request" });
  });

  it.each(["resources/read", "prompts/get", "Tools/Call", "tools/call/", "tasks/get", "completion/complete"])(
    "other methods are covered by no grant: %s",
    async (method) => {
      const body = { jsonrpc: "2.0", id: 1, method, params: { name: "open_issue" } };
      expect(await post(reader, body)).toMatchObject({ status: 403, error: "access_denied" });
    },
  );

  it("a body above 4 MiB is refused", async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { x: "y".repeat(5_000_000) } });
    expect(await post(reader, body)).toMatchObject({ status: 413 });
  });

  it("G09 another caller's state handle gives nothing", async () => {
    const refused = await send("mcp", reader, {
      body: JSON.stringify(call("open_issue")),
      headers: { "mcp-session-id": writer.session.id },
    });
    expect(refused).toMatchObject({ status: 403, error: "insufficient_scope" });
  });
});

describe("the end of a session", () => {
  it.each(["plain", "hono", "mcp"] as const)("is known at once where tokens are introspected: %s", async (kind) => {
    const who = await holder(kind);
    const body = kind === "mcp" ? { body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' } : {};
    await who.session.end();
    expect(await send(kind, who, body)).toMatchObject({ status: 401, error: "invalid_token" });
  });

  it("is known offline within the window; what the server reaches ends at once", async () => {
    const who = await holder("offline");
    const { exp, iat } = claimsOf(who.token) as { exp: number; iat: number };
    expect(exp - iat).toBeLessThanOrEqual(300);
    await world.broker.admin("POST", `/admin/sessions/${who.session.id}/revoke`, {});
    const guard = world.guard("offline", { check: "offline" });
    const claims = { htm: "GET", htu: world.resource.offline, ath: athOf(who.token) };
    const dpop = await forgeProof({ proofKey: who.key } as never, claims);
    const request = new Request(world.resource.offline, { headers: { authorization: `DPoP ${who.token}`, dpop } });
    const access = await guard.authorize(request, ["list_issues"]);
    if (access instanceof Response) throw new Error(await access.text());
    await expect(access.upstream("github")("/repos/acme/api/issues")).rejects.toMatchObject({ name: "StintError" });
  });
});

describe("when nobody can tell", () => {
  it.each(["introspect", "offline"] as const)("whether a token is good, it is refused with 503: %s", async (check) => {
    const who = await holder("plain");
    for (const answer of [
      () => Promise.reject(new Error("unreachable")),
      async () => new Response("busy", { status: 503 }),
      async () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    ]) {
      const guard = world.guard("plain", { check, fetch: answer });
      const claims = { htm: "GET", htu: world.resource.plain, ath: athOf(who.token) };
      const dpop = await forgeProof({ proofKey: who.key } as never, claims);
      const headers = { authorization: `DPoP ${who.token}`, dpop };
      const refused = (await guard.identify(new Request(world.resource.plain, { headers }))) as Response;
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    }
  });

  it("whether a proof is new, it is refused", async () => {
    const who = await holder("plain");
    const use = () => Promise.reject(new Error("down"));
    const guard = world.guard("plain", { onceOnly: { use } });
    const claims = { htm: "GET", htu: world.resource.plain, ath: athOf(who.token) };
    const dpop = await forgeProof({ proofKey: who.key } as never, claims);
    const headers = { authorization: `DPoP ${who.token}`, dpop };
    const refused = (await guard.identify(new Request(world.resource.plain, { headers }))) as Response;
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  });
});

describe("tokens that are bound to no key, where they are allowed", () => {
  it("are not bound ones without their proof, nor ones that claim a key", async () => {
    const who = await holder("plain");
    const unbound = { ...claimsOf(who.token), active: true, cnf: undefined };
    const ask = async (scheme: string, statement?: object): Promise<number> => {
      const answer = statement === undefined ? {} : { fetch: async () => Response.json(statement) };
      const guard = world.guard("plain", { allowBearer: true, ...answer });
      const claims = { htm: "GET", htu: world.resource.plain, ath: athOf(who.token) };
      const dpop = await forgeProof({ proofKey: who.key } as never, claims);
      const headers = { authorization: `${scheme} ${who.token}`, dpop };
      const answered = await guard.identify(new Request(world.resource.plain, { headers }));
      return answered instanceof Response ? answered.status : 200;
    };
    expect([await ask("DPoP"), await ask("Bearer")]).toEqual([200, 401]);
    expect([await ask("DPoP", unbound), await ask("Bearer", unbound)]).toEqual([401, 200]);
    // Bound to a certificate, say: not to be had without it.
    for (const cnf of [{ "x5t#S256": "x" }, {}, null])
      expect([await ask("DPoP", { ...unbound, cnf }), await ask("Bearer", { ...unbound, cnf })]).toEqual([401, 401]);
  });
});

describe("nonces", () => {
  it("are demanded, handed out, and nobody else's count", async () => {
    const who = await holder("nonces");
    const first = await send("nonces", who);
    expect(first).toMatchObject({ status: 401, error: "use_dpop_nonce" });
    const nonce = first.headers.get("dpop-nonce");
    expect(await send("nonces", who, { claims: { nonce } })).toMatchObject({ status: 200 });
    for (const wrong of ["x", "", 1, null, `${nonce}x`])
      expect(await send("nonces", who, { claims: { nonce: wrong } })).toMatchObject({ error: "use_dpop_nonce" });
  });
});

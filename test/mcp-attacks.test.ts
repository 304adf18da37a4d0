import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { athOf, forgeProof, nowSeconds } from "./support/forge.ts";
import { startGuardedServer, type GuardedServer } from "./support/guarded-server.ts";
import { MCP_HEADERS } from "./support/json-rpc.ts";
import { proxied } from "./support/proxied.ts";
import { acceptShown } from "./support/shown-tools.ts";
import { approvedSession, startTestWorld, TOOLS, tokenOf, type Approved, type TestWorld } from "./support/world.ts";

const PATHS = { "Stint's own tools": "/mcp", "the gateway": "/mcp/tickets" } as const;

let world: TestWorld;
let server: GuardedServer;
let session: Approved;
/** A token for each of the two resources. */
const tokens = new Map<string, string>();
beforeAll(async () => {
  const port = await freePort();
  world = await startTestWorld({ serverPort: port });
  server = await startGuardedServer(port, world.issuer);
  session = await approvedSession(world, { authorization_details: [TOOLS] });
  for (const path of Object.values(PATHS))
    tokens.set(path, tokenOf(await session.agent.exchange(session.sessionToken, world.issuer + path)));
  await send("/mcp/tickets", LIST);
  await acceptShown(world);
});
afterAll(async () => {
  await world?.close();
  await server?.close();
});
beforeEach(() => void (server.carriedOut.length = 0));

const rpc = (method: string, params: object = {}, id: unknown = 1) =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params });
const LIST = rpc("tools/list");

/** A request that is good in all that is not said otherwise. */
function send(
  path: string,
  body: string | Uint8Array<ArrayBuffer> = LIST,
  headers: Record<string, string> = {},
  method = "POST",
) {
  const request = {
    method,
    headers: { ...MCP_HEADERS, ...headers },
    ...(method === "POST" ? { body: () => body } : {}),
  };
  return proxied(session.agent, tokens.get(path)!, path, request);
}

/** The nonce of the moment, and a proof by hand. */
async function proofFor(path: string, claims: Record<string, unknown> = {}): Promise<string> {
  const { headers } = await send(path);
  const made = {
    htm: "POST",
    htu: world.issuer + path,
    ath: athOf(tokens.get(path)!),
    nonce: headers.get("dpop-nonce"),
    ...claims,
  };
  return forgeProof(session.agent, made);
}

async function withProof(path: string, dpop: string, headers: Record<string, string> = {}): Promise<number> {
  const authorization = `DPoP ${tokens.get(path)}`;
  const response = await fetch(world.issuer + path, {
    method: "POST",
    headers: { ...MCP_HEADERS, authorization, dpop, ...headers },
    body: LIST,
  });
  await response.body?.cancel();
  return response.status;
}

/** The status of what is answered to a head that no library would send. */
async function raw(path: string, head: (proof: string) => string, body = LIST): Promise<number> {
  const proof = await proofFor(path);
  const { host, hostname, port } = new URL(world.issuer);
  return new Promise((done) => {
    let said = "";
    const socket = connect(Number(port), hostname, () =>
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n${head(proof)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        "latin1",
      ),
    );
    const finish = (): void => {
      socket.destroy();
      done(Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0));
    };
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      if (said.includes("\r\n\r\n")) finish();
    });
    socket.on("close", finish).on("error", finish);
  });
}

describe.each(Object.entries(PATHS))("%s", (name, path) => {
  const other = Object.values(PATHS).find((one) => one !== path)!;
  const authorization = () => `Authorization: DPoP ${tokens.get(path)}\r\n`;

  it("answers what is good", async () => {
    expect((await send(path)).status).toBe(200);
    expect(await withProof(path, await proofFor(path))).toBe(200);
    expect(await raw(path, (proof) => `${authorization()}DPoP: ${proof}\r\n`)).toBe(200);
  });

  it.each(["/mcp/", "/MCP", "/mcp//tickets", "/mcp/tickets/", "/mcp%2Ftickets", "/mcp/tickets;x", "/mcp/tickets%00"])(
    "takes its token at no neighbour: %s",
    async (neighbour) => {
      const token = tokens.get(path)!;
      const request = { method: "POST", headers: MCP_HEADERS, body: () => LIST };
      expect([401, 404]).toContain((await proxied(session.agent, token, neighbour, request)).status);
    },
  );

  it("takes no token of its neighbour, nor a proof that was made for it", async () => {
    const token = tokens.get(other)!;
    const request = { method: "POST", headers: MCP_HEADERS, body: () => LIST };
    expect((await proxied(session.agent, token, path, request)).status).toBe(401);
    for (const htu of [world.issuer + other, `${world.issuer}${path}/`, world.issuer, `http://evil.example${path}`])
      expect(await withProof(path, await proofFor(path, { htu }))).toBe(401);
  });

  it("D19 takes a proof once, of ten at once", async () => {
    const proof = await proofFor(path);
    const statuses = await Promise.all(Array.from({ length: 10 }, () => withProof(path, proof)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 401)).toHaveLength(9);
  });

  it("takes no proof that is off in time, of another method, without the token's digest, or with a nonce of elsewhere", async () => {
    const asServer = await fetch(`${world.issuer}/oauth/token`, { method: "POST", headers: { dpop: "x" } });
    for (const claims of [
      { iat: nowSeconds() + 120 },
      { iat: nowSeconds() - 120 },
      { htm: "GET" },
      { ath: undefined },
      { ath: athOf(tokens.get(other)!) },
      { nonce: undefined },
      { nonce: asServer.headers.get("dpop-nonce") },
      { nonce: "x" },
    ])
      expect([claims, await withProof(path, await proofFor(path, claims))]).toEqual([claims, 401]);
  });

  it("D28 D29 is addressed by its configured origin alone", async () => {
    const proof = await proofFor(path, { htu: `https://evil.example${path}` });
    const headers = {
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example",
    };
    expect(await withProof(path, proof, headers)).toBe(401);
    expect(
      await raw(path, (good) => `${authorization()}DPoP: ${good}\r\nHost: evil.example\r\n`),
    ).toBeGreaterThanOrEqual(400);
  });

  it.each<[string, (proof: string) => string]>([
    ["two tokens", (proof) => `${authorization()}${authorization()}DPoP: ${proof}\r\n`],
    ["two proofs", (proof) => `${authorization()}DPoP: ${proof}\r\nDPoP: ${proof}\r\n`],
    ["a bound token as Bearer", (proof) => `${authorization().replace("DPoP", "Bearer")}DPoP: ${proof}\r\n`],
    ["a token in a cookie", (proof) => `Cookie: access_token=${tokens.get(path)}\r\nDPoP: ${proof}\r\n`],
    ["no proof", () => authorization()],
  ])("G06 lets nobody in with %s", async (_, head) => {
    expect(await raw(path, head)).toBe(401);
  });

  it.each<[string, string]>([
    ["a handle with the end of a line in it", "Mcp-Session-Id: a\rX: b\r\n"],
    ["a handle with NUL in it", "Mcp-Session-Id: a\u0000b\r\n"],
    ["a version with NUL in it", "Mcp-Protocol-Version: \u0000\r\n"],
    ["a folded header", "Mcp-Protocol-Version: 2025-06-18\r\n x: y\r\n"],
    ["a space before the colon", "Mcp-Method : tools/list\r\n"],
    ["two types", "Content-Type: text/plain\r\n"],
    ["a length and chunks", "Transfer-Encoding: chunked\r\n"],
    ["another length", "Content-Length: 1\r\n"],
  ])("refuses %s, and breaks at none", async (_, header) => {
    const status = await raw(path, (proof) => `${authorization()}DPoP: ${proof}\r\n${header}`);
    expect([0, 400, 404, 415]).toContain(status);
  });

  it.each([
    ["nobody's", "9999-99-99"],
    ["a path", "../../etc/passwd"],
    ["empty", ""],
    ["long", "2".repeat(5000)],
    ["two", "2025-06-18, 2026-07-28"],
    ["not ASCII", "2025\u00ad06-18"],
  ])("breaks at no version that is %s", async (_, version) => {
    expect((await send(path, LIST, { "mcp-protocol-version": version })).status).toBeLessThan(500);
  });

  it.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>?, number?]>([
    ["as text", LIST, { "content-type": "text/plain" }, 415],
    ["as a form", "a=b", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["in UTF-16", LIST, { "content-type": "application/json; charset=utf-16" }, 415],
    ["packed", new Uint8Array(gzipSync(LIST)), { "content-encoding": "gzip" }, 415],
    ["without a type", LIST, { "content-type": "" }, 415],
    ["with a mark before it", `\uFEFF${LIST}`],
    ["that is no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["that is empty", ""],
    ["without end", LIST.slice(0, -1)],
    [
      "nested deep",
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'{"a":'.repeat(15_000)}1${"}".repeat(15_000)}}`,
    ],
    ["that reaches for a prototype", '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{}}}'],
    ["too long", rpc("ping", { x: "x".repeat(300_000) }), {}, 413],
    ["of too many members", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":[${"1,".repeat(60_000)}1]}}`],
  ])("B refuses a body %s", async (_, body, headers = {}, status = 400) => {
    expect((await send(path, body, headers)).status).toBe(status);
  });

  it.each<[string, unknown]>([
    ["a list", [1]],
    ["an object", { a: 1 }],
    ["true", true],
    ["a text without end", "x".repeat(200_000)],
  ])("answers an id that is %s without breaking, and calls nothing by it", async (_, id) => {
    const answer = await send(path, rpc("tools/call", { name: "open_issue", arguments: {} }, id));
    expect(answer.status).toBeLessThan(500);
    if (typeof id !== "string") expect(server.carriedOut).toEqual([]);
  });

  it("asks browsers of other origins in no language that they understand", async () => {
    for (const method of ["OPTIONS", "HEAD", "GET", "PUT", "PATCH"]) {
      const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
      const answer = await fetch(world.issuer + path, { method, headers });
      expect([method, answer.status]).toEqual([method, 403]);
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      const own = await fetch(world.issuer + path, { method });
      expect([method, own.status >= 400 && own.status < 500]).toEqual([method, true]);
    }
    for (const origin of ["null", `${world.issuer}.evil.example`, world.issuer.replace("http:", "https:")])
      expect([origin, (await send(path, LIST, { origin })).status]).toEqual([origin, 403]);
    expect((await send(path, LIST, { origin: world.issuer })).status).toBe(200);
  });

  it("says in no answer what it was shown", async () => {
    const answers = [
      await send(path, "{"),
      await send(path, rpc("no/such/method")),
      await send(path, rpc("tools/call", { name: "nobody", arguments: { secret: "s3cr3t-of-mine" } })),
    ];
    const text = answers.map((answer) => answer.text + JSON.stringify([...answer.headers])).join();
    expect(text).not.toMatch(/eyJ[\w-]+\.|s3cr3t-of-mine|at file:|node_modules/);
    expect([name, ...answers.map(({ status }) => status < 500)]).toEqual([name, true, true, true]);
  });
});

describe("calls that look like something else", () => {
  const text = (answer: { text: string }) => answer.text;
  const state = async () => text(await send("/mcp", rpc("tools/call", { name: "session_state", arguments: {} })));

  it("do nothing at Stint's own tools as a notification, nor by another method's name", async () => {
    for (const body of [
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"end_session","arguments":{}}}',
      rpc("tools/call ", { name: "end_session", arguments: {} }),
      rpc("Tools/Call", { name: "end_session", arguments: {} }),
      rpc("tools/\u0441all", { name: "end_session", arguments: {} }),
      rpc("tools/call", { name: "End_Session", arguments: {} }),
      rpc("tools/call", { name: "end_session\u200b", arguments: {} }),
      rpc("tools/call", { name: "end_session", arguments: { session: "", extra: 1 } }),
      '{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"end_session"}}',
    ])
      expect((await send("/mcp", body)).status).toBeLessThan(500);
    expect(await state()).toContain(String.raw`\"status\":\"active\"`);
  });

  it("are not carried out by the hundred on one proof", async () => {
    const calls = Array.from({ length: 101 }, (_, id) =>
      JSON.parse(rpc("tools/call", { name: "session_state", arguments: {} }, id)),
    );
    expect((await send("/mcp", JSON.stringify(calls))).status).toBe(400);
  });

  it("bring no body with a GET", async () => {
    const own = await approvedSession(world);
    const token = tokenOf(await own.agent.exchange(own.sessionToken, `${world.issuer}/mcp`));
    world.echo.seen.length = 0;
    const call = { upstream: "echo", method: "GET", path: "/things", body: "{}" };
    const body = () => rpc("tools/call", { name: "call_upstream", arguments: call });
    const answer = await proxied(own.agent, token, "/mcp", { method: "POST", headers: MCP_HEADERS, body });
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining("GET and HEAD take no body")]);
    expect(world.echo.seen).toEqual([]);
  });
});

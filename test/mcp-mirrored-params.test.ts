import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { startGuardedServer, type GuardedServer } from "./support/guarded-server.ts";
import { MCP_HEADERS } from "./support/json-rpc.ts";
import { MCP_VERSION } from "./support/mcp-caller.ts";
import { proxied, provenFetch, type ProxiedAnswer } from "./support/proxied.ts";
import { acceptShown } from "./support/shown-tools.ts";
import { approvedSession, startTestWorld, TOOLS, type Approved, type TestWorld } from "./support/world.ts";

const PATH = "/mcp/tickets";
const META = {
  "io.modelcontextprotocol/protocolVersion": MCP_VERSION,
  "io.modelcontextprotocol/clientInfo": { name: "host", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const HEADERS = {
  ...MCP_HEADERS,
  "mcp-protocol-version": MCP_VERSION,
  "mcp-method": "tools/call",
  "mcp-name": "open_issue",
};
const packed = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`;

let world: TestWorld;
let server: GuardedServer;
let session: Approved;
beforeAll(async () => {
  const port = await freePort();
  world = await startTestWorld({ serverPort: port });
  server = await startGuardedServer(port, world.issuer);
  session = await approvedSession(world, { authorization_details: [TOOLS] });
  await call({});
  await acceptShown(world);
});
afterAll(async () => {
  await world?.close();
  await server?.close();
});
beforeEach(() => {
  server.carriedOut.length = 0;
  server.seen.length = 0;
});

function call(given: object, mirrored: Record<string, string> = {}): Promise<ProxiedAnswer> {
  const params = { name: "open_issue", arguments: given, _meta: META };
  return post({ jsonrpc: "2.0", id: 1, method: "tools/call", params }, { ...HEADERS, ...mirrored });
}

function post(body: unknown, headers: Record<string, string>): Promise<ProxiedAnswer> {
  const { agent, sessionToken } = session;
  return proxied(agent, sessionToken, PATH, { method: "POST", headers, body: () => JSON.stringify(body) });
}

/** What of these headers the tool's server was shown with the call itself. */
function shown(): [string, unknown][] {
  return Object.entries(server.seen.at(-1)?.headers ?? {}).filter(([name]) => name.startsWith("mcp-param-"));
}

describe("arguments that a client repeats in headers (MCP 2026-07-28)", () => {
  it("reach the server of the official client, which refuses a call without them", async () => {
    const client = new Client({ name: "bot", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
    const fetch = provenFetch(session.agent, session.sessionToken);
    await client.connect(new StreamableHTTPClientTransport(new URL(world.issuer + PATH), { fetch }));
    await client.listTools();
    const given = { region: "Zürich ", page: { size: 42 }, urgent: false, title: "x" };
    await client.callTool({ name: "open_issue", arguments: given });
    await client.close();
    expect(server.carriedOut).toEqual(["open_issue"]);
    expect(Object.fromEntries(shown())).toEqual({
      "mcp-param-page-size": "42",
      "mcp-param-region": packed("Zürich "),
      "mcp-param-urgent": "false",
    });
    expect((await call({ region: "eu" })).status).toBe(400);
    expect(server.carriedOut).toEqual(["open_issue"]);
  });

  it.each<[string, object, Record<string, string>]>([
    ["a text", { region: "eu" }, { "mcp-param-region": "eu" }],
    ["a text that is packed without need", { region: "eu" }, { "mcp-param-region": packed("eu") }],
    ["a text that looks packed", { region: packed("eu") }, { "mcp-param-region": packed(packed("eu")) }],
    ["a number in another form", { page: { size: 42 } }, { "mcp-param-page-size": "42.0" }],
    ["a name in other letters", { urgent: true }, { "Mcp-Param-URGENT": "true" }],
  ])("pass where they say what the body says: %s", async (_, given, mirrored) => {
    expect((await call(given, mirrored)).status).toBe(200);
    expect(shown()).toEqual(Object.entries(mirrored).map(([name, value]) => [name.toLowerCase(), value]));
  });

  it.each<[string, object, string, string]>([
    ["another text", { region: "eu" }, "region", "us"],
    ["another case", { region: "eu" }, "region", "EU"],
    ["a text that the body does not have", {}, "region", "eu"],
    ["one that stands elsewhere in the body", { size: 42 }, "page-size", "42"],
    ["another number", { page: { size: 42 } }, "page-size", "43"],
    ["a number that only some read", { page: { size: 42 } }, "page-size", "4.2e1"],
    ["a number in hexadecimal", { page: { size: 42 } }, "page-size", "0x2a"],
    ["a number that is rounded", { page: { size: 9_007_199_254_740_992 } }, "page-size", "9007199254740993"],
    ["a number for a text", { page: { size: "42" } }, "page-size", "042"],
    ["another truth", { urgent: false }, "urgent", "true"],
    ["a truth in capitals", { urgent: true }, "urgent", "True"],
    ["a truth as a number", { urgent: true }, "urgent", "1"],
    ["null", { region: null }, "region", "null"],
    ["a list", { region: ["eu"] }, "region", "eu"],
    ["what is packed without its end", { region: "a" }, "region", "=?base64?YQ?="],
    ["what is packed with bits left over", { region: "a" }, "region", "=?base64?YR==?="],
    ["what is packed in another alphabet", { region: "???" }, "region", "=?base64?Pz8_?="],
    ["what is packed and no UTF-8", { region: "\ufffd" }, "region", "=?base64?/w==?="],
    ["a mark before the text", { region: "eu" }, "region", packed("\ufeffeu")],
    ["what is not ASCII", { region: "\u00fc" }, "region", "\u00fc"],
    ["nothing", { region: "eu" }, "region", ""],
  ])("refuse the call where they say something else: %s", async (_, given, name, value) => {
    const answer = await call(given, { [`mcp-param-${name}`]: value });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("invalid_request")]);
    expect(server.carriedOut).toEqual([]);
    expect(shown()).toEqual([]);
  });

  it("stay behind where no definition names them, and where nothing is called", async () => {
    const unnamed = { "mcp-param-title": "y", "mcp-param-": "x", "mcp-param-__proto__": "x", "mcp-paramregion": "x" };
    expect((await call({ title: "x" }, unnamed)).status).toBe(200);
    expect(Object.keys(server.seen.at(-1)!.headers).filter((name) => name.startsWith("mcp-param"))).toEqual([]);
    const listed = { ...HEADERS, "mcp-method": "tools/list", "mcp-param-region": "eu" };
    const { "mcp-name": _, ...headers } = listed;
    await post({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: META } }, headers);
    expect(shown()).toEqual([]);
  });

  it("refuse a batch, of whose calls they could be any's", async () => {
    const one = (id: number) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "open_issue", arguments: { region: "eu" } },
    });
    const { "mcp-name": _, "mcp-method": __, "mcp-protocol-version": ___, ...headers } = HEADERS;
    const answer = await post([one(1), one(2)], { ...headers, "mcp-param-region": "eu" });
    expect([answer.status, server.carriedOut]).toEqual([400, []]);
  });
});

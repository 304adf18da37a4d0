import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startMcpUpstream, type McpUpstream } from "./support/mcp-upstream.ts";
import { MCP_HEADERS, rpc } from "./support/json-rpc.ts";
import { proxied, provenFetch, type ProxiedAnswer } from "./support/proxied.ts";
import { approvedSession, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const PATH = "/proxy/notes/mcp";

let notes: McpUpstream;
let world: TestWorld;
let session: Approved;
let token: string;
beforeAll(async () => {
  notes = await startMcpUpstream();
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      upstreams: [
        ...(document["upstreams"] as object[]),
        {
          id: "notes",
          connector: "api_key",
          base_url: notes.url,
          api_key: { secret: "WEATHER_KEY" },
          header: "X-Api-Key",
          scheme: "",
          catalogue: {
            operations: {
              "notes:use": {
                access: "read",
                title: "Connect to the notes",
                jsonrpc: {
                  path: "/mcp",
                  methods: ["initialize", "notifications/initialized", "ping", "server/discover", "tools/list"],
                },
              },
              "notes:read": { access: "read", title: "List notes", jsonrpc: { path: "/mcp", tools: ["list_notes"] } },
              "notes:write": {
                access: "write",
                title: "Write notes",
                jsonrpc: { path: "/mcp", tools: ["write_note"] },
              },
              "repo:write": {
                access: "write",
                title: "Write a repository's notes",
                location: ":repo",
                jsonrpc: { path: "/mcp", tools: ["write_note"] },
              },
              "notes:delete": {
                access: "write",
                title: "Delete notes",
                jsonrpc: { path: "/mcp", tools: ["delete_note"] },
              },
            },
          },
        },
      ],
      policies: (document["policies"] as { allow: string[] }[]).map((policy) => ({
        ...policy,
        allow: [...policy.allow, "notes:notes:*", "notes:repo:write@a*"],
      })),
    }),
  });
  session = await approvedSession(world, {
    authorization_details: [
      { type: "upstream_access", upstream: "notes", actions: ["notes:use", "notes:read", "notes:write"] },
    ],
  });
  token = await session.proxyToken("notes");
});
afterAll(async () => {
  await world?.close();
  await notes?.close();
});
beforeEach(() => {
  notes.carriedOut.length = 0;
  notes.seen.length = 0;
});

const tool = (name: string, id = 1) => rpc("tools/call", { name, arguments: {} }, id);

function post(body: unknown, headers: Record<string, string> = {}): Promise<ProxiedAnswer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return proxied(session.agent, token, PATH, {
    method: "POST",
    headers: { ...MCP_HEADERS, ...headers },
    body: () => text,
  });
}

const nothingLeft = () => expect([notes.seen, notes.carriedOut]).toEqual([[], []]);

describe("an MCP server as an upstream", () => {
  it("is used by the client of today as it is, for the tools that were granted", async () => {
    const client = new Client({ name: "bot", version: "1.0.0" });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(world.issuer + PATH), { fetch: provenFetch(session.agent, token) }),
    );
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("list_notes");
    const { content } = await client.callTool({ name: "list_notes", arguments: {} });
    expect(content).toEqual([{ type: "text", text: "list_notes: done" }]);
    await expect(client.callTool({ name: "delete_note", arguments: {} })).rejects.toThrow();
    await client.close();
    expect(notes.carriedOut).toEqual(["list_notes"]);
  });

  it("is used by the client of yesterday too", async () => {
    const client = new OldClient({ name: "bot", version: "1.0.0" });
    await client.connect(
      new OldTransport(new URL(world.issuer + PATH), { fetch: provenFetch(session.agent, token) }) as never,
    );
    await client.callTool({ name: "write_note", arguments: {} });
    await expect(client.callTool({ name: "delete_note", arguments: {} })).rejects.toThrow();
    await client.close();
    expect(notes.carriedOut).toEqual(["write_note"]);
  });

  it.each<[string, unknown]>([
    ["a tool that was not granted", tool("delete_note")],
    ["a tool of nobody", tool("toString")],
    ["a method of nobody", rpc("resources/list")],
    ["a batch that holds one such tool", [tool("list_notes"), tool("delete_note", 2)]],
    [
      "a batch that holds one such notification",
      [tool("list_notes"), { jsonrpc: "2.0", method: "tools/call", params: { name: "delete_note" } }],
    ],
    ["a tool with a space", tool(" list_notes")],
    ["a tool in other letters", tool("List_notes")],
    ["a method with a space", rpc("tools/call ", { name: "list_notes" })],
  ])("P19 refuses %s with 403, and nothing leaves", async (_, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toMatchObject({ error: "access_denied" });
    nothingLeft();
  });

  it.each<[string, unknown, Record<string, string>?]>([
    [
      "a tool that stands twice",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note","name":"list_notes"}}',
    ],
    [
      "a tool that stands twice, once in escapes",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\\u0061me":"delete_note","name":"list_notes"}}',
    ],
    [
      "a method that stands twice",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{"name":"delete_note"}}',
    ],
    ["a method in a second spelling", { ...tool("list_notes"), Method: "resources/list" }],
    ["an empty batch", []],
    ["a batch in a batch", [[tool("list_notes")]]],
    ["a call without a version", { id: 1, method: "tools/list" }],
    ["an answer", { jsonrpc: "2.0", id: 1, result: {} }],
    ["parameters by place", { jsonrpc: "2.0", id: 1, method: "tools/call", params: ["list_notes"] }],
    ["one id for two calls", [tool("list_notes"), tool("list_notes")]],
    ["a header that names another tool", tool("list_notes"), { "mcp-name": "delete_note" }],
    ["a header that names another method", rpc("tools/list"), { "mcp-method": "tools/call" }],
    ["more than JSON", `${JSON.stringify(tool("list_notes"))} {}`],
  ])("P19 refuses %s with 400, and nothing leaves", async (_, body, headers = {}) => {
    expect((await post(body, headers)).status).toBe(400);
    nothingLeft();
  });

  it("G08 G09 takes no handle that was given to another session, though both come to it by one credential", async () => {
    notes.handle = "the-servers-own";
    const handle = (await post(rpc("tools/list"))).headers.get("mcp-session-id") ?? "";
    notes.handle = undefined;
    expect(handle).toMatch(/^the-servers-own\..+/);
    expect((await post(rpc("tools/list"), { "mcp-session-id": handle })).status).toBe(200);
    expect(notes.shown).toBe("the-servers-own");
    notes.seen.length = 0;
    const actions = ["notes:use", "notes:read", "notes:write"];
    const other = await approvedSession(world, {
      authorization_details: [{ type: "upstream_access", upstream: "notes", actions }],
    });
    const otherToken = await other.proxyToken("notes");
    for (const stolen of [handle, "the-servers-own", `${handle}x`, "."]) {
      const answer = await proxied(other.agent, otherToken, PATH, {
        method: "POST",
        headers: { ...MCP_HEADERS, "mcp-session-id": stolen },
        body: () => JSON.stringify(tool("list_notes")),
      });
      expect([stolen, answer.status]).toEqual([stolen, 404]);
    }
    nothingLeft();
  });

  it("P19 refuses GET, DELETE and a query, and nothing leaves", async () => {
    for (const method of ["GET", "DELETE"])
      expect((await proxied(session.agent, token, PATH, { method })).status).toBe(403);
    const query = { method: "POST", headers: MCP_HEADERS, body: () => JSON.stringify(tool("list_notes")) };
    expect((await proxied(session.agent, token, `${PATH}?method=x`, query)).status).toBe(400);
    nothingLeft();
  });

  it("carries a batch out whose every call was granted, and counts each", async () => {
    const limited = await approvedSession(world, {
      authorization_details: [
        {
          type: "upstream_access",
          upstream: "notes",
          actions: ["notes:read", "notes:write"],
          limits: { calls: 5, writes: 2 },
        },
      ],
    });
    const own = await limited.proxyToken("notes");
    const send = (body: unknown) =>
      proxied(limited.agent, own, PATH, { method: "POST", headers: MCP_HEADERS, body: () => JSON.stringify(body) });
    await send([tool("list_notes"), tool("write_note", 2)]);
    expect(notes.seen).toEqual([JSON.stringify([tool("list_notes"), tool("write_note", 2)])]);
    const refused = await send([tool("write_note", 1), tool("write_note", 2)]);
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ limit: "writes", left: { calls: 3, writes: 1 } });
    expect((await send(tool("write_note"))).status).toBe(200);
    expect((await send(tool("write_note"))).status).toBe(429);
  });

  it("limits a tool to the locations that were granted, where the catalogue says how to read them", async () => {
    const located = await approvedSession(world, {
      authorization_details: [
        { type: "upstream_access", upstream: "notes", actions: ["repo:write"], locations: ["api", "app"] },
      ],
    });
    const own = await located.proxyToken("notes");
    const write = async (args: unknown) => {
      const body = () => JSON.stringify(rpc("tools/call", { name: "write_note", arguments: args }));
      return (await proxied(located.agent, own, PATH, { method: "POST", headers: MCP_HEADERS, body })).status;
    };
    expect(await write({ repo: "api" })).toBe(200);
    expect(notes.carriedOut).toEqual(["write_note api"]);
    notes.carriedOut.length = 0;
    for (const args of [{}, { repo: "ant" }, { repo: "API" }, { repo: ["api"] }, { repo: "api", Repo: "ant" }])
      expect(await write(args), JSON.stringify(args)).toBe(403);
    expect(notes.carriedOut).toEqual([]);
  });
});

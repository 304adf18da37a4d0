import { randomBytes } from "node:crypto";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { MCP_HEADERS } from "./support/json-rpc.ts";
import {
  ASK,
  caller as callerOf,
  MCP_PATH as PATH,
  MCP_VERSION as VERSION,
  READ,
  rpc,
  told,
  URLS,
  type Caller,
  type RpcAnswer,
} from "./support/mcp-caller.ts";
import { proxied, provenFetch } from "./support/proxied.ts";
import { sessionFiles } from "./support/session-files.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(async () => world?.close());
beforeEach(() => void (world.echo.seen.length = 0));

const caller = (details?: readonly object[]) => callerOf(world, details);

async function modern({ agent, token }: Caller, capabilities: object = {}): Promise<Client> {
  const client = new Client(
    { name: "host", version: "1.0.0" },
    { capabilities, versionNegotiation: { mode: { pin: VERSION } } },
  );
  const fetch = provenFetch(agent, token);
  await client.connect(new StreamableHTTPClientTransport(new URL(world.issuer + PATH), { fetch }));
  return client;
}

async function yesterdays({ agent, token }: Caller, capabilities: object = {}): Promise<OldClient> {
  const client = new OldClient({ name: "host", version: "1.0.0" }, { capabilities });
  const fetch = provenFetch(agent, token);
  await client.connect(new OldTransport(new URL(world.issuer + PATH), { fetch }) as never);
  return client;
}

/** One call of a tool, written by hand, as a client of 2026-07-28 that may open addresses. */
const post = (
  who: Caller,
  name: string,
  args: object,
  more: { readonly requestState?: string; readonly inputResponses?: object } = {},
): Promise<RpcAnswer> => rpc(who, "tools/call", { name, arguments: args, ...more }, URLS);

/** The session that this client asked for and nobody has decided. */
/** The index of sessions is told of one a moment after the client is. */
async function waitingOf({ agent }: Caller): Promise<string> {
  return until("the request stands in the index", async () => {
    const { body } = await world.broker.admin("GET", "/admin/sessions");
    return (body["sessions"] as { session_id: string; client_id: string; status: string }[]).find(
      ({ client_id, status }) => client_id === agent.clientId && status === "pending",
    )?.session_id;
  });
}

describe("Stint as an MCP server", () => {
  it("serves a client of 2026-07-28: asks, is approved, calls, ends", async () => {
    const own = await caller();
    const client = await modern(own);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["request_session", "session_state", "call_upstream", "end_session"]);
    // What it says that it needs is what it is refused without.
    expect(tools[0]!.inputSchema.required).toEqual(["title", "authorization_details", "expires_in"]);
    const asked = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(asked).toMatchObject({ status: "pending", match_code: expect.stringMatching(/^[A-Z0-9]{3}-[A-Z0-9]{3}$/) });
    const session = String(asked["session_id"]);
    await (await Approver.bySlack(world, "dana", session)).approve();
    const state = told(await client.callTool({ name: "session_state", arguments: { session } }));
    expect(state).toMatchObject({ status: "active", authorization_details: [READ] });
    const call = { session, upstream: "echo", method: "GET", path: "/things" };
    const called = told(await client.callTool({ name: "call_upstream", arguments: call }));
    expect(called).toMatchObject({ isError: false, status: 200, body: '{"ok":true}' });
    expect(world.echo.seen.at(-1)?.headers["x-api-key"]).toBe("weather-secret-key");
    const ended = told(await client.callTool({ name: "end_session", arguments: { session } }));
    expect(ended).toMatchObject({ status: "ended", outcome: "completed" });
    const late = told(await client.callTool({ name: "call_upstream", arguments: call }));
    expect(late.isError).toBe(true);
    expect(world.echo.seen).toHaveLength(1);
    await client.close();
  });

  it("serves a client of 2025-11-25 with a handle, and answers a denial as an error that says so", async () => {
    const client = await yesterdays(await caller());
    const asked = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(asked).toMatchObject({ status: "pending" });
    const session = String(asked["session_id"]);
    await (await Approver.bySlack(world, "dana", session)).deny();
    const state = told(await client.callTool({ name: "session_state", arguments: { session } }));
    expect(state).toMatchObject({ isError: true, status: "ended", outcome: "denied" });
    expect(state["error"]).toContain("a human denied");
    await client.close();
  });

  it("has a client that opens addresses wait at a page, and tells it once a human has decided", async () => {
    const own = await caller();
    const client = await modern(own, { elicitation: { url: {} } });
    const urls: string[] = [];
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      urls.push(String((params as { url?: string }).url));
      await (await Approver.bySlack(world, "dana", await waitingOf(own))).approve();
      return { action: "accept" };
    });
    const state = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(state).toMatchObject({ status: "active", authorization_details: [READ] });
    expect(urls).toEqual([`${world.issuer}/inbox`]);
    await client.close();
  });

  it("has a client 1.x that opens addresses wait on the stream of its call", async () => {
    const own = await caller();
    const client = await yesterdays(own, URLS);
    const shown: object[] = [];
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
      shown.push(params);
      await (await Approver.bySlack(world, "dana", await waitingOf(own))).approve();
      return { action: "accept" };
    });
    const state = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(state).toMatchObject({ isError: false, status: "active", authorization_details: [READ] });
    expect(shown).toEqual([
      {
        mode: "url",
        url: `${world.issuer}/inbox`,
        elicitationId: state["session_id"],
        message: expect.stringMatching(/[A-Z0-9]{3}-[A-Z0-9]{3}/),
      },
    ]);
    await client.close();
  });

  it.each([
    ["declined", () => ({ action: "decline" as const })],
    ["went away", () => ({ action: "cancel" as const })],
    ["could not be asked", () => Promise.reject(new Error("no screen"))],
  ])("does not have a client 1.x wait whose human %s, and every other does", async (_, answers) => {
    const shown = Promise.withResolvers<string>();
    const waits = await yesterdays(await caller(), URLS);
    waits.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      shown.resolve(String((params as { elicitationId?: string }).elicitationId));
      return { action: "accept" };
    });
    let isWaiting = true;
    const waiting = waits.callTool({ name: "request_session", arguments: ASK }).finally(() => {
      isWaiting = false;
    });
    const sessionId = await shown.promise;
    const client = await yesterdays(await caller(), URLS);
    client.setRequestHandler(ElicitRequestSchema, answers);
    const state = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(state).toMatchObject({ isError: false, status: "pending", next: expect.stringContaining("session_state") });
    // It asked later, and would be answered later if it waited, too.
    expect(isWaiting).toBe(true);
    await (await Approver.bySlack(world, "dana", sessionId)).approve();
    expect(told(await waiting)).toMatchObject({ status: "active" });
    await client.callTool({ name: "end_session", arguments: { session: state["session_id"] } });
    await Promise.all([client.close(), waits.close()]);
  });

  it("gives a client 1.x a handle after 25 seconds in which nobody decided", async () => {
    const own = await caller();
    const client = await yesterdays(own, URLS);
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept" }));
    const state = told(await client.callTool({ name: "request_session", arguments: ASK }));
    expect(state).toMatchObject({ isError: false, status: "pending", next: expect.stringContaining("session_state") });
    await client.close();
  });

  it("does not wait for whoever declined to look, and leaves the request as it is", async () => {
    const own = await caller();
    const { result } = await post(own, "request_session", ASK);
    const more = { requestState: result.requestState, inputResponses: { approval: { action: "decline" } } };
    const state = told((await post(own, "request_session", ASK, more)).result);
    expect(state).toMatchObject({ isError: false, status: "pending", next: expect.stringContaining("session_state") });
  });

  it("answers a denial as an error that says so, also to whoever waits", async () => {
    const own = await caller();
    const { result } = await post(own, "request_session", ASK);
    const { session_id } = JSON.parse(Buffer.from(result.requestState.split(".")[1], "base64url").toString()).p;
    const more = { requestState: result.requestState, inputResponses: { approval: { action: "accept" } } };
    const waiting = post(own, "request_session", ASK, more);
    await (await Approver.bySlack(world, "dana", session_id)).deny();
    expect(told((await waiting).result)).toMatchObject({ isError: true, outcome: "denied" });
  });

  it("never shows anything that could approve", async () => {
    const own = await caller();
    const asked = await post(own, "request_session", ASK);
    const session = JSON.parse(
      atob(asked.result.requestState.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")),
    ).p;
    const state = await post(own, "session_state", { session: session.session_id });
    expect(asked.text + state.text).not.toMatch(/approve#|stint-approval|eyJ[\w-]+\.[\w-]+\.[\w-]+|req_/);
    const page = await fetch(asked.result.inputRequests.approval.params.url, { redirect: "manual" });
    expect(await page.text()).not.toContain(session.session_id);
  });

  it("takes back a request that waits", async () => {
    const client = await modern(await caller());
    const { session_id: session } = told(await client.callTool({ name: "request_session", arguments: ASK }));
    const ended = told(await client.callTool({ name: "end_session", arguments: { session } }));
    expect(ended).toMatchObject({ status: "ended", outcome: "withdrawn" });
    await client.close();
  });

  it("refuses what no policy allows, and asks nobody", async () => {
    const client = await modern(await caller());
    const access = [{ ...READ, actions: ["secrets:read"] }];
    const asked = told(
      await client.callTool({ name: "request_session", arguments: { ...ASK, authorization_details: access } }),
    );
    expect(asked.isError).toBe(true);
    expect(asked["session_id"]).toBeUndefined();
    await client.close();
  });

  it("says where its tokens come from (RFC 9728)", async () => {
    const answer = await fetch(world.issuer + PATH, { method: "POST" });
    expect(answer.status).toBe(401);
    const at = /resource_metadata="([^"]+)"/.exec(answer.headers.get("www-authenticate") ?? "")?.[1] ?? "";
    expect(await (await fetch(at)).json()).toMatchObject({
      resource: world.issuer + PATH,
      authorization_servers: [world.issuer],
      dpop_bound_access_tokens_required: true,
    });
  });
});

describe("group G and its kind, at Stint's own tools", () => {
  it("G05 refuses a token in the query, and other origins", async () => {
    const own = await caller();
    const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const query = await proxied(own.agent, own.token, `${PATH}?access_token=x`, {
      method: "POST",
      headers: MCP_HEADERS,
      body,
    });
    expect(query.status).toBe(400);
    const headers = { ...MCP_HEADERS, origin: "https://evil.example" };
    expect((await proxied(own.agent, own.token, PATH, { method: "POST", headers, body })).status).toBe(403);
    for (const method of ["GET", "DELETE", "PUT"])
      expect((await proxied(own.agent, own.token, PATH, { method })).status).toBe(405);
  });

  it("G06 takes no token that was made for anywhere else, the session token among them", async () => {
    const own = await caller();
    for (const token of [own.sessionToken, await own.proxyToken("echo"), "ghp_0123456789abcdefghijABCDEFGHIJ012345"]) {
      const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      expect((await proxied(own.agent, token, PATH, { method: "POST", headers: MCP_HEADERS, body })).status).toBe(401);
    }
  });

  it("takes a token of its own nowhere else, and lets nobody exchange it again (X13)", async () => {
    const own = await caller();
    expect((await proxied(own.agent, own.token, "/proxy/echo/things")).status).toBe(401);
    const again = await own.agent.exchange(own.token, `${world.issuer}/proxy/echo`);
    expect([again.status, again.body["error"]]).toEqual([400, "invalid_request"]);
  });

  it("G08 takes no session_id and no Mcp-Session-Id in place of a token", async () => {
    const own = await caller();
    const headers = { ...MCP_HEADERS, "mcp-session-id": own.sessionId };
    const params = { name: "session_state", arguments: { session: own.sessionId } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    expect((await fetch(world.issuer + PATH, { method: "POST", headers, body })).status).toBe(401);
  });

  it("G08 keeps what an older client can in a handle that is good in its own session alone, and only with a token", async () => {
    const [own, other] = [await caller(), await caller()];
    const initialize = async (who: Caller, elicitation: object | undefined, protocolVersion = "2025-11-25") => {
      const capabilities = elicitation === undefined ? {} : { elicitation };
      const params = { protocolVersion, clientInfo: { name: "h", version: "1" }, capabilities };
      const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
      const { headers } = await proxied(who.agent, who.token, PATH, { method: "POST", headers: MCP_HEADERS, body });
      return headers.get("mcp-session-id");
    };
    expect(await initialize(own, undefined)).toBeNull();
    expect(await initialize(own, {})).toBeNull();
    expect(await initialize(own, { form: {} })).toBeNull();
    expect(await initialize(own, { url: {} }, "2025-06-18")).toBeNull();
    const handle = String(await initialize(own, { url: {} }));
    const list = (who: Caller, presented: string) =>
      proxied(who.agent, who.token, PATH, {
        method: "POST",
        headers: { ...MCP_HEADERS, "mcp-session-id": presented },
        body: () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
      });
    expect((await list(own, handle)).status).toBe(200);
    // What the human at the client answered decides nothing, and is not kept.
    const answered = await proxied(own.agent, own.token, PATH, {
      method: "POST",
      headers: { ...MCP_HEADERS, "mcp-session-id": handle },
      body: () => JSON.stringify({ jsonrpc: "2.0", id: 0, result: { action: "accept" } }),
    });
    expect(answered.status).toBe(202);
    const [, mac = ""] = handle.split(".");
    for (const [who, presented] of [
      [other, handle],
      [own, `${handle}A`],
      [own, `tasks.${mac}`],
      [own, mac],
      [own, own.sessionId],
      [own, "x".repeat(3000)],
    ] as const) {
      const { status, text } = await list(who, presented);
      expect([status, JSON.parse(text)]).toMatchObject([404, { error: "not_found" }]);
    }
    // A client of 2026-07-28 has no such handle, and what it shows in its place is nothing.
    const modern = await rpc(own, "tools/list", {}, {}, { "mcp-session-id": "x" });
    expect(modern.result.tools).toHaveLength(4);
    const headers = { ...MCP_HEADERS, "mcp-session-id": handle };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    expect((await fetch(world.issuer + PATH, { method: "POST", headers, body })).status).toBe(401);
  });

  it("G09 a stolen handle opens nothing for another client, nor for another key of the same", async () => {
    const [victim, thief] = [await caller(), await caller()];
    const call = { session: victim.sessionId, upstream: "echo", method: "GET", path: "/things" };
    for (const [tool, args] of [
      ["session_state", { session: victim.sessionId }],
      ["end_session", { session: victim.sessionId }],
      ["call_upstream", call],
    ] as const) {
      const { result } = await post(thief, tool, args);
      expect(told(result)).toEqual({ isError: true, error: "there is no such session of this client and key" });
      const unknown = await post(thief, tool, { ...args, session: "ses_AAAAAAAAAAAAAAAAAAAAAA" });
      expect(unknown.result).toEqual(result);
    }
    expect(told((await post(victim, "session_state", {})).result)).toMatchObject({ status: "active" });
    expect(world.echo.seen).toEqual([]);
  });

  it("keeps nothing on disk of sessions that were only guessed", async () => {
    const own = await caller();
    const before = sessionFiles(world);
    expect(before).toBeGreaterThan(0);
    for (let guess = 0; guess < 5; guess += 1) {
      const session = `ses_${randomBytes(16).toString("base64url")}`;
      for (const tool of ["session_state", "end_session"])
        expect(told((await post(own, tool, { session })).result)["isError"]).toBe(true);
    }
    expect(sessionFiles(world)).toBe(before);
  });

  it("takes no requestState that was forged, that is another's, or that belongs to other arguments", async () => {
    const [own, other] = [await caller(), await caller()];
    const asked = await post(own, "request_session", ASK);
    const state = String(asked.result.requestState);
    const inputResponses = { approval: { action: "accept" } };
    const [version, payload = "", mac] = state.split(".");
    const read = JSON.parse(Buffer.from(payload, "base64url").toString());
    const moved = Buffer.from(JSON.stringify({ ...read, p: { ...read.p, session_id: other.sessionId } })).toString(
      "base64url",
    );
    for (const requestState of [`${state}x`, [version, moved, mac].join("."), "v1.e30.AAAA", "x"]) {
      const { error } = await post(own, "request_session", ASK, { requestState, inputResponses });
      expect(error).toMatchObject({ code: -32_602 });
    }
    const stolen = await post(other, "request_session", ASK, { requestState: state, inputResponses });
    expect(stolen.error).toMatchObject({ code: -32_602 });
    const changed = await post(
      own,
      "request_session",
      { ...ASK, title: "Other" },
      { requestState: state, inputResponses },
    );
    expect(told(changed.result).isError).toBe(true);
  });

  it("accepting at the client approves nothing", async () => {
    const own = await caller();
    const asked = await post(own, "request_session", ASK);
    const { session_id } = JSON.parse(Buffer.from(asked.result.requestState.split(".")[1], "base64url").toString()).p;
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}`);
    expect(body["status"]).toBe("pending");
    const call = { session: session_id, upstream: "echo", method: "GET", path: "/things" };
    const called = told((await post(own, "call_upstream", call)).result);
    expect(called).toEqual({ isError: true, error: "the session is not active; see session_state" });
    expect(world.echo.seen).toEqual([]);
  });

  it.each([
    ["an operation that was not granted", { method: "POST", path: "/things", body: "{}" }],
    ["an operation of nobody", { method: "GET", path: "/nothing" }],
    ["a path that climbs", { method: "GET", path: "/things/../secrets" }],
    ["a path into another upstream", { method: "GET", path: "/../github/user" }],
    ["a credential in the query", { method: "GET", path: "/things", query: "api_key=x" }],
  ])("passes on no call of %s", async (_, call) => {
    const own = await caller();
    expect(told((await post(own, "call_upstream", { upstream: "echo", ...call })).result).isError).toBe(true);
    expect(world.echo.seen).toEqual([]);
  });

  it("refuses members that stand twice", async () => {
    const own = await caller();
    const body = () =>
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"end_session","name":"session_state","arguments":{}}}';
    expect((await proxied(own.agent, own.token, PATH, { method: "POST", headers: MCP_HEADERS, body })).status).toBe(
      400,
    );
    expect(told((await post(own, "session_state", {})).result)).toMatchObject({ status: "active" });
  });

  it.each([
    "null",
    "5",
    '"initialize"',
    "[]",
    "[[]]",
    "[null]",
    "{}",
    '{"method":"initialize"}',
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"url":true}}}}',
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":[]}}',
    '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":null},"_meta":5}}',
    '{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x","_meta":{"io.modelcontextprotocol/clientCapabilities":{"extensions":5}}}}',
    '{"jsonrpc":"2.0","id":{},"method":"tools/call","params":5}',
    '{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}',
  ])("answers %s without a fault of its own, and with no handle", async (text) => {
    const own = await caller();
    const answer = await proxied(own.agent, own.token, PATH, {
      method: "POST",
      headers: MCP_HEADERS,
      body: () => text,
    });
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers.get("mcp-session-id")).toBeNull();
  });

  it("O14 ends the call of an older client that waits, with the session whose token it showed", async () => {
    const own = await caller();
    const post = (body: object, headers: Record<string, string> = {}) =>
      provenFetch(own.agent, own.token)(world.issuer + PATH, {
        method: "POST",
        headers: { ...MCP_HEADERS, ...headers },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...body }),
      });
    const params = { protocolVersion: "2025-11-25", clientInfo: { name: "h", version: "1" }, capabilities: URLS };
    const began = await post({ method: "initialize", params });
    await began.text();
    const handle = began.headers.get("mcp-session-id") ?? "";
    const call = { method: "tools/call", params: { name: "request_session", arguments: ASK } };
    const { body } = await post(call, { "mcp-session-id": handle });
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = (await reader.read()).value ?? "";
    expect(seen).toContain("elicitation/create");
    await world.broker.admin("POST", `/admin/sessions/${own.sessionId}/revoke`, {});
    for (let read = await reader.read(); !read.done; read = await reader.read()) seen += read.value;
    expect(seen).not.toContain("match_code");
  });

  it("O14 ends a stream with its session", async () => {
    const own = await caller();
    const meta = {
      "io.modelcontextprotocol/protocolVersion": VERSION,
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const params = { notifications: { toolsListChanged: true }, _meta: meta };
    const { body, headers } = await provenFetch(own.agent, own.token)(world.issuer + PATH, {
      method: "POST",
      headers: { ...MCP_HEADERS, "mcp-protocol-version": VERSION, "mcp-method": "subscriptions/listen" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params }),
    });
    expect(headers.get("content-type")).toContain("text/event-stream");
    const reader = body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("acknowledged");
    await world.broker.admin("POST", `/admin/sessions/${own.sessionId}/revoke`, {});
    while (!(await reader.read()).done);
  });

  it("R03 takes no token of a session that has ended, whichever tool", async () => {
    const own = await caller();
    await world.broker.admin("POST", `/admin/sessions/${own.sessionId}/revoke`, {});
    const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    expect((await proxied(own.agent, own.token, PATH, { method: "POST", headers: MCP_HEADERS, body })).status).toBe(
      401,
    );
  });
});

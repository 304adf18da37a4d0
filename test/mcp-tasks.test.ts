import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, type ApplicationInputRequest } from "@modelcontextprotocol/ext-tasks/client";
import { CreateTaskResultV2Schema, GetTaskResultV2Schema } from "@modelcontextprotocol/ext-tasks/core/v2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { MCP_HEADERS } from "./support/json-rpc.ts";
import {
  ASK,
  caller,
  callTool,
  MCP_PATH,
  MCP_VERSION,
  READ,
  rpc,
  sameClientOtherKey,
  TASKS,
  told,
  URLS,
  type Caller,
  type RpcAnswer,
} from "./support/mcp-caller.ts";
import { provenFetch, proxied } from "./support/proxied.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

const BOTH = { ...TASKS, ...URLS };
const UNKNOWN = { code: -32_602, message: "there is no such task of this client and key" };

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(async () => world?.close());

const get = (who: Caller, taskId: string, capabilities: object = TASKS) =>
  rpc(who, "tasks/get", { taskId }, capabilities);
const cancel = (who: Caller, taskId: string) => rpc(who, "tasks/cancel", { taskId }, TASKS);
const update = (who: Caller, taskId: string, inputResponses: unknown, capabilities: object = BOTH) =>
  rpc(who, "tasks/update", { taskId, inputResponses }, capabilities);
const dana = (taskId: string) => Approver.bySlack(world, "dana", taskId);

/** Asks for a session as a client that keeps tasks. */
async function begun(who: Caller, capabilities: object = TASKS): Promise<string> {
  const { result } = await callTool(who, "request_session", ASK, capabilities);
  return String(result.taskId);
}

async function statusOf(sessionId: string): Promise<unknown> {
  return (await world.broker.admin("GET", `/admin/sessions/${sessionId}`)).body["status"];
}

/** A client 2.x with the official requester of tasks on top. */
async function tasksOf(who: Caller, onInput?: (request: ApplicationInputRequest, taskId: string) => Promise<void>) {
  const fetch = provenFetch(who.agent, who.token);
  let id = 0;
  const clientCapabilities = onInput === undefined ? {} : URLS;
  const client = new Client(
    { name: "host", version: "1.0.0" },
    { capabilities: clientCapabilities, versionNegotiation: { mode: { pin: MCP_VERSION } } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(world.issuer + MCP_PATH), { fetch }));
  const session = createTaskSessionFromClient(client, {
    endpointId: world.issuer,
    v2RequestFraming: {
      protocolVersion: MCP_VERSION,
      clientInfo: { name: "host", version: "1.0.0" },
      clientCapabilities,
    },
    rawDispatch: async (request) => {
      const { method, params } = request as { method: string; params: Record<string, string> };
      const response = await fetch(world.issuer + MCP_PATH, {
        method: "POST",
        headers: {
          ...MCP_HEADERS,
          "mcp-protocol-version": MCP_VERSION,
          "mcp-method": method,
          "mcp-name": params["name"] ?? params["taskId"] ?? "",
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: (id += 1), method, params }),
      });
      const { result, error } = (await response.json()) as { result: never; error?: never };
      return error === undefined ? { kind: "result", result } : { kind: "error", error };
    },
    onInputRequest: async (request, { taskId }) => {
      await onInput?.(request, String(taskId));
      return { action: "accept" } as never;
    },
  });
  return { session, close: () => Promise.all([session.close(), client.close()]) };
}

describe("waiting by a task", () => {
  it("serves the official client: a task at once, its result when a human has approved", async () => {
    const who = await caller(world);
    const { session, close } = await tasksOf(who);
    const execution = await session.callTool("request_session", ASK as never);
    expect(execution.kind).toBe("task");
    const taskId = String(execution.handle?.taskId);
    const outcome = execution.result();
    await (await dana(taskId)).approve();
    const done = await outcome;
    expect(done).toMatchObject({ status: "completed" });
    const state = told((done as { result: unknown }).result);
    expect(state).toMatchObject({
      isError: false,
      status: "active",
      session_id: taskId,
      authorization_details: [READ],
    });
    await close();
  });

  it("shows the human of a client that opens addresses where to look, once", async () => {
    const who = await caller(world);
    const asked: ApplicationInputRequest[] = [];
    const { session, close } = await tasksOf(who, async (request, taskId) => {
      asked.push(request);
      await (await dana(taskId)).approve();
    });
    const execution = await session.callTool("request_session", ASK as never);
    const done = await execution.result();
    expect(told((done as { result: unknown }).result)).toMatchObject({ status: "active" });
    expect(asked).toEqual([
      { kind: "elicitation", params: { mode: "url", url: `${world.issuer}/inbox`, message: expect.any(String) } },
    ]);
    await close();
  });

  it("answers in the extension's own form: the seed, working, input_required, completed", async () => {
    const who = await caller(world);
    const created = await callTool(who, "request_session", ASK, BOTH);
    expect(CreateTaskResultV2Schema.parse(created.result)).toMatchObject({ status: "input_required" });
    expect(created.result).not.toHaveProperty("inputRequests");
    const { taskId } = created.result;
    const asking = await get(who, taskId, BOTH);
    expect(GetTaskResultV2Schema.parse(asking.result)).toMatchObject({
      taskId,
      status: "input_required",
      pollIntervalMs: 2000,
      statusMessage: expect.stringMatching(/[A-Z0-9]{3}-[A-Z0-9]{3}/),
      inputRequests: {
        approval: { method: "elicitation/create", params: { mode: "url", url: `${world.issuer}/inbox` } },
      },
    });
    expect((await update(who, taskId, { approval: { action: "accept" } })).result).toEqual({
      resultType: "complete",
      _meta: expect.anything(),
    });
    const working = await get(who, taskId, BOTH);
    expect(GetTaskResultV2Schema.parse(working.result)).toMatchObject({ status: "working" });
    await (await dana(taskId)).approve();
    const completed = await get(who, taskId, BOTH);
    expect(GetTaskResultV2Schema.parse(completed.result)).toMatchObject({ status: "completed" });
    expect(Date.parse(completed.result.createdAt) + completed.result.ttlMs).toBeGreaterThan(Date.now() + 600_000);
    expect(told(completed.result.result)).toMatchObject({ status: "active", isError: false });
    const call = { session: taskId, upstream: "echo", method: "GET", path: "/things" };
    expect(told((await callTool(who, "call_upstream", call)).result)).toMatchObject({ status: 200 });
  });

  it("asks nobody's human whose client did not say in this very request that it opens addresses", async () => {
    const who = await caller(world);
    const taskId = await begun(who, BOTH);
    for (const capabilities of [TASKS, { ...TASKS, elicitation: { form: {} } }]) {
      const { result } = await get(who, taskId, capabilities);
      expect(result).toMatchObject({ status: "working" });
      expect(result).not.toHaveProperty("inputRequests");
    }
  });

  it("works on for whoever declined to look, and for an answer that nobody asked for", async () => {
    const who = await caller(world);
    const taskId = await begun(who, BOTH);
    await update(who, taskId, { other: { action: "accept" }, approval: { role: "user", content: "yes" } });
    expect((await get(who, taskId, BOTH)).result.status).toBe("input_required");
    await update(who, taskId, { approval: { action: "decline" } });
    expect((await get(who, taskId, BOTH)).result.status).toBe("working");
    expect(await statusOf(taskId)).toBe("pending");
  });

  it("has completed with an error that says so where a human denied", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    await (await dana(taskId)).deny();
    const { result } = await get(who, taskId);
    expect(result.status).toBe("completed");
    expect(result).not.toHaveProperty("error");
    expect(told(result.result)).toMatchObject({
      isError: true,
      outcome: "denied",
      error: expect.stringContaining("human denied"),
    });
  });

  it("has completed with an error where the request was taken away", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    await world.broker.admin("POST", `/admin/sessions/${taskId}/revoke`, {});
    const { result } = await get(who, taskId);
    expect(told(result.result)).toMatchObject({ isError: true, outcome: "revoked" });
  });

  it("takes the request back when it is cancelled, once and for all", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    const approver = await dana(taskId);
    await approver.view();
    for (let times = 0; times < 2; times++)
      expect((await cancel(who, taskId)).result).toEqual({ resultType: "complete", _meta: expect.anything() });
    expect((await get(who, taskId)).result.status).toBe("cancelled");
    expect((await approver.approve()).status).not.toBe(200);
    const { result } = await callTool(who, "session_state", { session: taskId });
    expect(told(result)).toMatchObject({ isError: false, status: "ended", outcome: "withdrawn" });
  });

  it("leaves what was approved as it is when it is cancelled afterwards", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    await (await dana(taskId)).approve();
    expect((await cancel(who, taskId)).result).toMatchObject({ resultType: "complete" });
    expect((await get(who, taskId)).result.status).toBe("completed");
    expect(await statusOf(taskId)).toBe("active");
  });

  it("says after the end what became of the session", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    await (await dana(taskId)).approve();
    await get(who, taskId);
    await callTool(who, "end_session", { session: taskId });
    const { result } = await get(who, taskId);
    expect(result.status).toBe("completed");
    expect(told(result.result)).toMatchObject({ isError: false, status: "ended", outcome: "completed" });
  });

  it("makes no task of what no policy allows", async () => {
    const who = await caller(world);
    const { result } = await callTool(who, "request_session", {
      ...ASK,
      authorization_details: [{ ...READ, actions: ["secrets:read"] }],
    });
    expect(result.resultType).toBe("complete");
    expect(told(result).isError).toBe(true);
  });

  it("never shows anything that could approve", async () => {
    const who = await caller(world);
    const created = await callTool(who, "request_session", ASK, BOTH);
    const asking = await get(who, created.result.taskId, BOTH);
    expect(created.text + asking.text).not.toMatch(/approve#|stint-approval|eyJ[\w-]+\.[\w-]+\.[\w-]+|req_/);
    expect(asking.result.inputRequests.approval.params.url).not.toContain(created.result.taskId);
  });
});

describe("who may have a task, and who gets none", () => {
  it("says that it offers tasks to clients of 2026-07-28, and to no others", async () => {
    const who = await caller(world);
    const { result } = await rpc(who, "server/discover", {});
    expect(result.capabilities.extensions).toEqual({ "io.modelcontextprotocol/tasks": {} });
    expect(result.capabilities).not.toHaveProperty("tasks");
    const params = { protocolVersion: "2025-11-25", clientInfo: { name: "h", version: "1" }, capabilities: TASKS };
    const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    const older = await proxied(who.agent, who.token, MCP_PATH, { method: "POST", headers: MCP_HEADERS, body });
    expect(older.status).toBe(200);
    expect(older.text).not.toContain("io.modelcontextprotocol/tasks");
    const old = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tasks/get", params: { taskId: who.sessionId } });
    const asked = await proxied(who.agent, who.token, MCP_PATH, { method: "POST", headers: MCP_HEADERS, body: old });
    expect(asked.text).toContain('"code":-32601');
  });

  it("turns away whoever did not say in this very request that it keeps tasks", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    for (const capabilities of [
      {},
      URLS,
      { extensions: {} },
      { extensions: { "io.modelcontextprotocol/tasks": null } },
      { tasks: {} },
    ])
      for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
        const { status, error } = await rpc(who, method, { taskId, inputResponses: {} }, capabilities);
        // A capability of a wrong type is refused before it is looked at.
        if (error.code !== -32_602)
          expect([status, error]).toEqual([
            400,
            expect.objectContaining({ code: -32_021, data: { requiredCapabilities: TASKS } }),
          ]);
      }
    expect(await statusOf(taskId)).toBe("pending");
    const plain = await callTool(who, "request_session", ASK, {});
    expect(told(plain.result)).toMatchObject({ status: "pending" });
    expect(plain.result).not.toHaveProperty("taskId");
  });

  it("takes no capability from another message of a batch", async () => {
    const who = await caller(world);
    const meta = (capabilities: object) => ({
      "io.modelcontextprotocol/protocolVersion": MCP_VERSION,
      "io.modelcontextprotocol/clientInfo": { name: "host", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    const one = (id: number, _meta: object | undefined) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "request_session", arguments: ASK, ...(_meta === undefined ? {} : { _meta }) },
    });
    const initialize = {
      jsonrpc: "2.0",
      id: 9,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        clientInfo: { name: "h", version: "1" },
        capabilities: { ...URLS, ...TASKS },
      },
    };
    for (const batch of [
      [one(1, meta(BOTH)), one(2, meta({}))],
      [one(1, meta(BOTH)), one(2, undefined)],
      [initialize, one(2, undefined)],
    ]) {
      const { text, headers } = await proxied(who.agent, who.token, MCP_PATH, {
        method: "POST",
        headers: MCP_HEADERS,
        body: () => JSON.stringify(batch),
      });
      expect(text).not.toMatch(/taskId|elicitation/);
      expect(headers.get("mcp-session-id")).toBeNull();
    }
  });

  it("sends no news of tasks, and turns away whoever asks for them without saying that it keeps any", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    const listen = (capabilities: object) =>
      rpc(who, "subscriptions/listen", { notifications: { taskIds: [taskId] } }, capabilities);
    const { status, error } = await listen(URLS);
    expect([status, error]).toEqual([
      400,
      expect.objectContaining({ code: -32_021, data: { requiredCapabilities: TASKS } }),
    ]);
  });

  it("knows no other methods of tasks: tasks/list and tasks/result", async () => {
    const who = await caller(world);
    for (const method of ["tasks/list", "tasks/result"])
      expect((await rpc(who, method, { taskId: who.sessionId }, TASKS)).error.code).toBe(-32_601);
  });
});

describe("group G and its kind, at tasks", () => {
  it("G08 G09 a stolen task id is no task to another client, nor to the same client with another key", async () => {
    const victim = await caller(world);
    const taskId = await begun(victim, BOTH);
    for (const thief of [await caller(world), await sameClientOtherKey(world, victim)]) {
      const answers: RpcAnswer[] = [
        await get(thief, taskId),
        await cancel(thief, taskId),
        await update(thief, taskId, { approval: { action: "accept" } }),
      ];
      for (const { error } of answers) expect(error).toEqual(UNKNOWN);
      const never = await get(thief, "ses_AAAAAAAAAAAAAAAAAAAAAA");
      expect(never.text).toBe(answers[0]!.text);
    }
    expect((await get(victim, taskId, BOTH)).result.status).toBe("input_required");
  });

  it("G08 takes no task id in place of a token", async () => {
    const taskId = await begun(await caller(world));
    const headers = { ...MCP_HEADERS, "mcp-session-id": taskId, "mcp-name": taskId, "mcp-method": "tasks/get" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tasks/get", params: { taskId } });
    expect((await fetch(world.issuer + MCP_PATH, { method: "POST", headers, body })).status).toBe(401);
  });

  it.each([
    ["altered", (id: string) => `${id.slice(0, -1)}${id.endsWith("A") ? "B" : "A"}`],
    ["longer", (id: string) => `${id}A`],
    ["cut", (id: string) => id.slice(0, -1)],
    ["of another kind", (id: string) => id.replace("ses_", "req_")],
    ["in other letters", (id: string) => id.toUpperCase()],
    ["with a tenant before it", (id: string) => `http://localhost:1 ${id}`],
    ["empty", () => ""],
    ["a path", () => "../../admin"],
    ["huge", () => "ses_".padEnd(3000, "A")],
    ["the id of an object's prototype", () => "__proto__"],
  ])("knows no task by an id that is %s", async (_, change) => {
    const who = await caller(world);
    const taskId = await begun(who);
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      const { status, error, text } = await rpc(who, method, { taskId: change(taskId), inputResponses: {} }, TASKS, {
        "mcp-name": change(taskId),
      });
      expect([status, error?.code ?? text]).toSatisfy(([, code]) => [-32_602, -32_020].includes(code as number));
      expect(text.length).toBeLessThan(1000);
    }
    expect(await statusOf(taskId)).toBe("pending");
  });

  it.each([
    ["a number", 5],
    ["nothing", null],
    ["a list", ["ses_A"]],
    ["an object", { toString: "ses_A" }],
    ["true", true],
  ])("takes no id that is %s", async (_, taskId) => {
    const who = await caller(world);
    const { status, error } = await rpc(who, "tasks/get", { taskId }, TASKS);
    expect([status, error.code]).toEqual([200, -32_602]);
  });

  it.each([
    ["a number", 5],
    ["nothing", null],
    ["a text", "accept"],
    ["a list", [{ action: "accept" }]],
    ["an answer of no form", { approval: "accept" }],
    ["an answer to nothing", { approval: { action: "approve" } }],
    ["a request", { approval: { method: "x", action: "accept" } }],
    ["a prototype", JSON.parse('{"__proto__":{"approval":{"action":"accept"}}}')],
  ])("takes no answers that are %s for the human's", async (_, inputResponses) => {
    const who = await caller(world);
    const taskId = await begun(who, BOTH);
    const { status } = await update(who, taskId, inputResponses);
    expect(status).toBeLessThan(500);
    expect((await get(who, taskId, BOTH)).result.status).toBe("input_required");
  });

  it("approves nothing by whatever the client's human answers", async () => {
    const who = await caller(world);
    const taskId = await begun(who, BOTH);
    const content = { approved: true, decision: "approve" };
    await update(who, taskId, { approval: { action: "accept", content } });
    expect(await statusOf(taskId)).toBe("pending");
  });

  it("answers a flood of questions by turns, one each interval, and turns the rest away", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    const flood = await Promise.all(Array.from({ length: 12 }, () => get(who, taskId)));
    const answered = flood.filter(({ result }) => result !== undefined);
    const refused = flood.filter(({ error }) => error !== undefined);
    expect(answered.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(answered.length + refused.length).toBe(flood.length);
    for (const { status, error } of refused)
      expect([status, error]).toEqual([200, { code: 429, message: expect.stringContaining("pollIntervalMs") }]);
    await (await dana(taskId)).approve();
    // Once it is decided there is nothing to wait for.
    const after = await Promise.all(Array.from({ length: 6 }, () => get(who, taskId)));
    expect(after.map(({ result }) => result?.status)).toEqual(Array.from({ length: 6 }, () => "completed"));
    const ids = new Set(after.map(({ result }) => told(result.result)["session_id"]));
    expect(ids).toEqual(new Set([taskId]));
  });

  it("Z07 cancelled and approved at once is one or the other, with one story in the audit log", async () => {
    const who = await caller(world);
    const stories = new Map<string, string[]>();
    for (let round = 0; round < 6; round++) {
      const taskId = await begun(who);
      const approver = await dana(taskId);
      await approver.view();
      await approver.review();
      const [decided, cancelled] = await Promise.all([approver.decide("approve"), cancel(who, taskId)]);
      expect(cancelled.result).toMatchObject({ resultType: "complete" });
      const { result } = await get(who, taskId);
      const isApproved = decided.status === 200 && (await statusOf(taskId)) === "active";
      expect(result.status).toBe(isApproved ? "completed" : "cancelled");
      await callTool(who, "end_session", { session: taskId });
      stories.set(taskId, isApproved ? ["decision.approved", "session.ended"] : ["session.ended"]);
    }
    const told = await until("every session's end in the log", async () => {
      const rows = (await auditRows(world)).filter(({ source }) => stories.has(source));
      const ended = rows.filter(({ type }) => type === "session.ended");
      return ended.length < stories.size ? undefined : rows;
    });
    for (const [taskId, story] of stories) {
      const types = told.filter(({ source }) => source === taskId).map(({ type }) => type);
      expect(types.filter((type) => ["decision.approved", "session.ended"].includes(type))).toEqual(story);
    }
  });

  it("mints one token, however many questions find it approved", async () => {
    const who = await caller(world);
    const taskId = await begun(who);
    await (await dana(taskId)).approve();
    await Promise.all(Array.from({ length: 8 }, () => get(who, taskId)));
    const { body } = await world.broker.admin("GET", `/admin/sessions/${taskId}`);
    expect(body["usage"]).toMatchObject({ tokens_minted: 1 });
  });
});

import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { withTasks } from "@modelcontextprotocol/ext-tasks/client";
import { GetTaskResultV2Schema } from "@modelcontextprotocol/ext-tasks/core/v2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "smol-toml";
import { MCP_HOSTS } from "../cli/mcp-hosts.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { agentMachine, approverOf, type AgentMachine } from "./support/stint-process.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let machine: AgentMachine;
const open: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  world = await startTestWorld();
  machine = agentMachine(world);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  machine?.remove();
  await world?.close();
});

const COMMAND = [join(ROOT, "cli", "main.ts"), "mcp"];
const GITHUB = ["github:issues:read@acme/api", "github:issues:write@acme/api"];

/** What a host does with the tools, whichever client it is built on. */
interface Host {
  call(name: string, args: Record<string, unknown>): Promise<{ isError: boolean; text: string }>;
  tools(): Promise<string[]>;
}

type Answer = { isError?: boolean; content: { text?: string }[] };
const read = (answer: unknown) => {
  const { isError, content } = answer as Answer;
  return { isError: isError === true, text: content.map(({ text }) => text ?? "").join("\n") };
};

/** What a host does that shows its human an address: they look, and the test does what it is given. */
type OnLook = (params: object) => Promise<{ action: "accept" | "decline" }>;

async function newer(mode: "auto" | "legacy", onLook?: OnLook): Promise<Host> {
  const capabilities = onLook === undefined ? {} : { elicitation: { url: {} } };
  const client = new Client({ name: "host", version: "1" }, { capabilities, versionNegotiation: { mode } });
  if (onLook !== undefined) client.setRequestHandler("elicitation/create", ({ params }) => onLook(params));
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: COMMAND, env: machine.environment() }),
  );
  open.push(client);
  expect(client.getProtocolEra()).toBe(mode === "auto" ? "modern" : "legacy");
  return {
    call: async (name, args) => read(await client.callTool({ name, arguments: args })),
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
  };
}

async function older(onLook?: OnLook): Promise<Host> {
  const capabilities = onLook === undefined ? {} : { elicitation: { url: {} } };
  const client = new OlderClient({ name: "host", version: "1" }, { capabilities });
  if (onLook !== undefined) client.setRequestHandler(ElicitRequestSchema, ({ params }) => onLook(params));
  await client.connect(new OlderTransport({ command: process.execPath, args: COMMAND, env: machine.environment() }));
  open.push(client);
  return {
    call: async (name, args) => read(await client.callTool({ name, arguments: args })),
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
  };
}

const sessionIn = (text: string): string => /ses_[A-Za-z0-9_-]+/.exec(text)?.[0] ?? "";

async function ask(host: Host, task: string, access = GITHUB): Promise<string> {
  const asked = await host.call("request_session", { task, access, for: "10m" });
  expect(asked).toEqual({ isError: false, text: expect.stringMatching(/match code [A-Z0-9]{3}-[A-Z0-9]{3}/) });
  return sessionIn(asked.text);
}

async function approved(host: Host, task: string, access = GITHUB): Promise<string> {
  const sessionId = await ask(host, task, access);
  await (await approverOf(world, task)).approve();
  await until("the approval", async () => {
    const { text } = await host.call("session_state", { session_id: sessionId });
    return text.startsWith("Active") ? true : undefined;
  });
  return sessionId;
}

/** As its own object says: the index of sessions is told a moment later. */
async function statusOf(sessionId: string): Promise<unknown> {
  const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
  return body["status"];
}

describe.each([
  ["a client of 2026-07-28", () => newer("auto")],
  ["a client 2.x that speaks 2025-11-25", () => newer("legacy")],
  ["a client 1.x", () => older()],
])("stint mcp, driven by %s", (name, connect) => {
  it("asks, waits, calls what was granted, is refused the rest, and gives it back", async () => {
    const host = await connect();
    expect(await host.tools()).toEqual(["request_session", "session_state", "call_upstream", "end_session"]);
    const task = `Whole way with ${name}`;
    const sessionId = await ask(host, task);
    const call = (method: string, path: string, body?: unknown) =>
      host.call("call_upstream", {
        session_id: sessionId,
        upstream: "github",
        method,
        path,
        ...(body === undefined ? {} : { body }),
      });
    expect(await call("GET", "/repos/acme/api/issues")).toEqual({
      isError: true,
      text: expect.stringContaining("Nobody has decided"),
    });
    await (await approverOf(world, task)).approve();
    await until("the approval", async () =>
      (await host.call("session_state", { session_id: sessionId })).text.startsWith("Active") ? true : undefined,
    );
    const opened = await call("POST", "/repos/acme/api/issues", { title: task });
    expect(opened).toEqual({ isError: false, text: expect.stringMatching(/^HTTP 201/) });
    expect((await world.emulators.issues("acme/api")).map(({ title }) => title)).toContain(task);
    expect(await call("GET", "/repos/acme/web/issues")).toEqual({
      isError: true,
      text: expect.stringMatching(/^HTTP 403.*not_granted/s),
    });
    for (const path of ["/../../oauth/token", "/repos/acme/api/issues?access_token=x", "/repos//acme", "/%2e%2e/x"])
      expect(await call("GET", path)).toEqual({ isError: true, text: expect.stringContaining("canonical") });
    expect(await host.call("end_session", { session_id: sessionId })).toEqual({
      isError: false,
      text: expect.stringMatching(/completed; 1 calls, 1 refused.*taken back/s),
    });
    expect(await call("GET", "/repos/acme/api/issues")).toEqual({
      isError: true,
      text: expect.stringContaining("has ended"),
    });
    expect(await statusOf(sessionId)).toBe("ended");
  });

  it("hears of a denial as a tool's error, with the approver's word", async () => {
    const host = await connect();
    const task = `Denied to ${name}`;
    const sessionId = await ask(host, task);
    const approver = await approverOf(world, task);
    await approver.view();
    await approver.decide("deny", { comment: "Not on a Friday" });
    const told = await until("the denial", async () => {
      const state = await host.call("session_state", { session_id: sessionId });
      return state.isError ? state : undefined;
    });
    expect(told.text).toContain("a human refused the request, saying: Not on a Friday");
  });
});

describe.each([
  ["a client of 2026-07-28", (onLook: OnLook) => newer("auto", onLook)],
  ["a client 2.x that speaks 2025-11-25", (onLook: OnLook) => newer("legacy", onLook)],
  ["a client 1.x", older],
])("stint mcp, driven by %s that opens addresses", (name, connect) => {
  it("has its human look at a page, and answers once a human has decided", async () => {
    const task = `Looked at by ${name}`;
    const shown: object[] = [];
    const host = await connect(async (params) => {
      shown.push(params);
      await (await approverOf(world, task)).approve();
      return { action: "accept" };
    });
    const state = await host.call("request_session", { task, access: GITHUB });
    expect(state).toEqual({ isError: false, text: expect.stringMatching(/^Active for another/) });
    expect(shown).toEqual([expect.objectContaining({ mode: "url", url: `${world.issuer}/inbox` })]);
    expect(JSON.stringify(shown)).not.toMatch(/approve#|eyJ|req_/);
  });

  it("does not wait for whoever declined to look, and leaves the request as it is", async () => {
    const host = await connect(async () => ({ action: "decline" }));
    const state = await host.call("request_session", { task: `Declined by ${name}`, access: GITHUB });
    expect(state).toEqual({ isError: false, text: expect.stringMatching(/^Nobody has decided yet about ses_/) });
    expect(await statusOf(sessionIn(state.text))).toBe("pending");
  });
});

describe("stint mcp, driven by a client that keeps tasks", () => {
  const ASKED = { name: "request_session", arguments: { task: "", access: GITHUB } };
  const UNKNOWN = { code: -32_602, message: "there is no such task of this client and key" };
  const asking = (task: string) => ({ ...ASKED, arguments: { ...ASKED.arguments, task } });

  it("gives it a task, and the session when a human has approved", async () => {
    const host = rawHost({ extensions: TASKS, elicitation: { url: {} } });
    const shown: string[] = [];
    const session = withTasks(
      {
        endpointId: "stdio",
        taskCapabilities: { generation: "v2", capabilities: {} },
        invalidated: false,
        dispatch: async (request) => {
          const { method, params } = request as { method: string; params: object };
          const { result, error } = await host.request(method, params);
          return error === undefined ? { kind: "result", result } : { kind: "error", error };
        },
        onServerRequest: () => () => undefined,
        onNotification: () => () => undefined,
        onInvalidated: () => () => undefined,
      },
      {
        onInputRequest: async ({ params }) => {
          shown.push(String(params?.["url"]));
          await (await approverOf(world, "By a task")).approve();
          return { action: "accept" } as never;
        },
      },
    );
    const execution = await session.callTool("request_session", { task: "By a task", access: GITHUB });
    expect(execution.kind).toBe("task");
    const done = (await execution.result()) as { status: string; result: unknown };
    expect([done.status, read(done.result)]).toEqual([
      "completed",
      { isError: false, text: expect.stringMatching(/^Active for another/) },
    ]);
    expect(shown).toEqual([`${world.issuer}/inbox`]);
    await session.close();
    host.child.stdin?.destroy();
    expect(await host.ended).toBe(0);
  });

  it("goes from working to what the human said, or to cancelled, and stays there", async () => {
    const host = rawHost({ extensions: TASKS });
    const denied = (await host.request("tools/call", asking("Denied task"))).result.taskId;
    const cancelled = (await host.request("tools/call", asking("Cancelled task"))).result.taskId;
    const get = async (taskId: string) =>
      GetTaskResultV2Schema.parse((await host.request("tasks/get", { taskId })).result);
    expect([(await get(denied)).status, (await get(cancelled)).status]).toEqual(["working", "working"]);
    const approver = await approverOf(world, "Denied task");
    await approver.view();
    await approver.decide("deny", { comment: "Not on a Friday" });
    for (let times = 0; times < 2; times++)
      expect((await host.request("tasks/cancel", { taskId: cancelled })).result).toMatchObject({
        resultType: "complete",
      });
    expect((await get(cancelled)).status).toBe("cancelled");
    expect(await statusOf(cancelled)).toBe("ended");
    const over = await until("the denial", async () => {
      const task = await get(denied);
      return task.status === "working" ? undefined : task;
    });
    expect(over).toMatchObject({ status: "completed", result: { isError: true } });
    expect(JSON.stringify(over)).toContain("Not on a Friday");
    expect((await get(cancelled)).status).toBe("cancelled");
    host.child.kill("SIGTERM");
    expect(await host.ended).toBe(0);
  });

  it("G09 knows no task but its own, and takes nothing from who keeps none", async () => {
    const [owner, thief] = [rawHost({ extensions: TASKS }), rawHost({ extensions: TASKS })];
    const { taskId } = (await owner.request("tools/call", asking("The owner's task"))).result;
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      expect((await thief.request(method, { taskId, inputResponses: {} })).error).toEqual(UNKNOWN);
      expect((await owner.request(method, { taskId: `${taskId}A`, inputResponses: {} })).error).toEqual(UNKNOWN);
      expect((await owner.request(method, { taskId }, {})).error).toMatchObject({ code: -32_021 });
    }
    expect(await statusOf(taskId)).toBe("pending");
    for (const { child, ended } of [owner, thief]) {
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
    }
  });
});

describe("stint mcp", () => {
  it("G08 G09 knows no session but its own: a stolen handle opens nothing", async () => {
    const [owner, thief] = [await newer("auto"), await newer("auto")];
    const sessionId = await approved(owner, "The owner's");
    for (const [tool, more] of [
      ["session_state", {}],
      ["call_upstream", { upstream: "github", method: "GET", path: "/repos/acme/api/issues" }],
      ["end_session", {}],
    ] as const)
      expect(await thief.call(tool, { session_id: sessionId, ...more })).toEqual({
        isError: true,
        text: expect.stringContaining("no such session here"),
      });
    expect(await statusOf(sessionId)).toBe("active");
  });

  it("shows the host neither token nor link, whatever it asks", async () => {
    const host = await newer("auto");
    const sessionId = await ask(host, "Nothing to see", ["echo:things:read"]);
    const texts = [(await host.call("session_state", { session_id: "ses_x" })).text];
    await (await approverOf(world, "Nothing to see")).approve();
    for (let isActive = false; !isActive;) {
      const { text } = await host.call("session_state", { session_id: sessionId });
      texts.push(text);
      isActive = text.startsWith("Active");
    }
    texts.push(
      (await host.call("call_upstream", { session_id: sessionId, upstream: "echo", method: "GET", path: "/things" }))
        .text,
    );
    texts.push(
      (await host.call("call_upstream", { session_id: sessionId, upstream: "stripe", method: "GET", path: "/v1" }))
        .text,
    );
    texts.push((await host.call("end_session", { session_id: sessionId })).text);
    expect(texts.join("\n")).not.toMatch(/eyJ|\/approve|DPoP |req_/);
    expect(texts.join("\n")).toContain('{"ok":true}');
  });

  it("says in an error what a request lacks, and asks for nothing", async () => {
    const host = await newer("auto");
    const wrong: [object, RegExp][] = [
      [{ task: "x", access: ["nonsense"] }, /neither upstream/],
      [{ task: "x", access: ["github:issues:read@acme/api"], for: "soon" }, /for must be a time/],
      [{ task: "x", access: ["echo:secrets:read"] }, /no trust policy/],
    ];
    for (const [args, words] of wrong)
      expect(await host.call("request_session", args as Record<string, unknown>)).toEqual({
        isError: true,
        text: expect.stringMatching(words),
      });
  });

  it("cuts an answer that is too long for a model, and says so", async () => {
    const host = await newer("auto");
    const sessionId = await approved(host, "Long answers", ["echo:things:read"]);
    const before = world.echo.answer;
    world.echo.answer = () => ({ status: 200, headers: { "content-type": "text/plain" }, body: "x".repeat(3_000_000) });
    try {
      const { text } = await host.call("call_upstream", {
        session_id: sessionId,
        upstream: "echo",
        method: "GET",
        path: "/things",
      });
      expect(text).toMatch(/^HTTP 200.*was cut here\nx/);
      expect(text.length).toBeLessThan(300_000);
    } finally {
      world.echo.answer = before;
    }
  });

  it("lives through garbage, and ends what it holds when its host goes without a word", async () => {
    const host = rawHost();
    host.child.stdin?.write('garbage\n{"jsonrpc":"2.0"}\n[]\n{"jsonrpc":"2.0","id":1,"method":5}\n\u0000\u0000\n');
    await host.initialize();
    const active = sessionIn(await host.call("request_session", { task: "Left behind", access: GITHUB }));
    const waiting = sessionIn(
      await host.call("request_session", { task: "Left waiting", access: ["github:issues:read@acme/api"] }),
    );
    await (await approverOf(world, "Left behind")).approve();
    await until("the approval", async () =>
      (await host.call("session_state", { session_id: active })).startsWith("Active") ? true : undefined,
    );
    expect([await statusOf(active), await statusOf(waiting)]).toEqual(["active", "pending"]);
    host.child.stdin?.destroy();
    expect(await host.ended).toBe(0);
    expect([await statusOf(active), await statusOf(waiting)]).toEqual(["ended", "ended"]);
  });

  it("ends what it holds on a signal, too", async () => {
    const host = rawHost();
    await host.initialize();
    const waiting = sessionIn(await host.call("request_session", { task: "Signalled", access: GITHUB }));
    host.child.kill("SIGTERM");
    expect(await host.ended).toBe(0);
    expect(await statusOf(waiting)).toBe("ended");
  });

  it("prints a configuration for each host that starts this very server", async () => {
    const listed = machine.stint(["mcp", "--print-config"]);
    expect(await listed.ended).toBe(0);
    expect(listed.stdout().split("\n").filter(Boolean)).toHaveLength(Object.keys(MCP_HOSTS).length);
    for (const host of Object.keys(MCP_HOSTS)) {
      const printed = machine.stint(["mcp", "--print-config", host]);
      expect(await printed.ended).toBe(0);
      const parsed = host === "codex" ? parse(printed.stdout()) : JSON.parse(printed.stdout());
      const { stint } = parsed.mcpServers ?? parsed.servers ?? parsed.mcp_servers;
      expect(stint).toMatchObject({ args: COMMAND, env: { STINT_URL: world.issuer, STINT_KEY_FILE: machine.keyFile } });
      expect(printed.stdout()).not.toContain(String(world.keys.agent.privateJwk.d));
    }
    const unknown = machine.stint(["mcp", "--print-config", "toaster"]);
    expect([await unknown.ended, unknown.stderr()]).toEqual([2, expect.stringContaining("one of claude-desktop")]);
    const printed = machine.stint(["mcp", "--print-config", "cursor"]);
    await printed.ended;
    const { command, args, env } = JSON.parse(printed.stdout()).mcpServers.stint;
    const client = new Client({ name: "host", version: "1" });
    await client.connect(new StdioClientTransport({ command, args, env }));
    open.push(client);
    expect((await client.listTools()).tools).toHaveLength(4);
  });
});

interface RawHost {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  initialize(): Promise<void>;
  call(name: string, args: object): Promise<string>;
  /** One request of 2026-07-28. */
  request(method: string, params: object, capabilities?: object): Promise<{ result: any; error: any }>;
}

const TASKS = { "io.modelcontextprotocol/tasks": {} };

/** A host by hand, for what no client library would do. */
function rawHost(declared: object = {}): RawHost {
  const child = spawn(process.execPath, COMMAND, {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, ...machine.environment() },
  });
  let seen = "";
  let last = 100;
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const send = async (method: string, params: object): Promise<{ result: any; error: any }> => {
    last += 1;
    const id = last;
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return until(
      `the answer to ${method}`,
      async () => {
        const line = seen.split("\n").find((text) => text.includes(`"id":${id}`));
        return line === undefined ? undefined : (JSON.parse(line) as { result: unknown; error: unknown });
      },
      30_000,
    );
  };
  return {
    child,
    ended: new Promise((done) => void child.on("close", (code) => done(code))),
    async initialize() {
      const clientInfo = { name: "raw", version: "1" };
      await send("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
    },
    call: async (name, args) => read((await send("tools/call", { name, arguments: args })).result).text,
    request: (method, params, capabilities = declared) =>
      send(method, {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": capabilities,
        },
      }),
  };
}

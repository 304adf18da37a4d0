import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { err, ok } from "../domain/result.ts";
import { offerTasks, type Task, type TaskFault, type TaskProgress } from "./mcp-tasks.ts";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "host", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};

const taskOf = (progress: TaskProgress, changes: Partial<Task> = {}): Task => ({
  taskId: "ses_1",
  createdAt: 1_800_000_000,
  updatedAt: 1_800_000_060,
  keptUntil: 1_800_000_900,
  pollIntervalSeconds: 2,
  progress,
  ...changes,
});

/** What a server answers whose every task is this one, or whose every question fails like this. */
async function answer(method: string, task: Task | TaskFault, params: object = {}): Promise<any> {
  const done = async () => (typeof task === "string" ? err(task) : ok(undefined));
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "tasks", version: "1" });
    offerTasks(server, {
      get: async () => (typeof task === "string" ? err(task) : ok(task)),
      answer: done,
      cancel: done,
    });
    return server;
  });
  const response = await handler.fetch(
    new Request("https://a.test/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        "mcp-name": "ses_1",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { taskId: "ses_1", ...params, _meta: META } }),
    }),
  );
  return response.json();
}

describe("a task on the wire (SEP-2663)", () => {
  const about = {
    resultType: "complete",
    taskId: "ses_1",
    createdAt: "2027-01-15T08:00:00.000Z",
    lastUpdatedAt: "2027-01-15T08:01:00.000Z",
    ttlMs: 900_000,
    pollIntervalMs: 2000,
  };

  it.each([
    ["working", { status: "working" }, {}],
    ["cancelled", { status: "cancelled" }, {}],
    [
      "completed",
      { status: "completed", result: { content: [], isError: true } },
      { result: { content: [], isError: true, resultType: "complete" } },
    ],
  ] as const)("is %s", async (status, progress, more) => {
    const { result } = await answer("tasks/get", taskOf(progress as TaskProgress));
    expect(result).toEqual({ ...about, status, ...more, _meta: expect.anything() });
  });

  it("is kept without an end where the server says none, and tells what it is told", async () => {
    const { result } = await answer(
      "tasks/get",
      taskOf({ status: "working" }, { keptUntil: undefined, message: "wait" }),
    );
    expect(result).toMatchObject({ ttlMs: null, statusMessage: "wait" });
  });

  it.each([
    ["unknown_task", -32_602],
    ["too_soon", 429],
    ["unavailable", -32_603],
  ] as const)("is refused where it is %s", async (fault, code) => {
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      const { error } = await answer(method, fault, { inputResponses: {} });
      expect(error).toEqual({ code, message: expect.any(String) });
    }
  });

  it("takes no update without answers", async () => {
    const { error } = await answer("tasks/update", taskOf({ status: "working" }));
    expect(error.code).toBe(-32_602);
  });
});

import { createMcpHandler, inputRequired, McpServer, type CallToolResult } from "@modelcontextprotocol/server";
import { z } from "zod";
import { listen } from "../../examples/listen.ts";
import { err, ok } from "../../src/domain/result.ts";
import { declaredAbilities } from "../../src/protocol/mcp-abilities.ts";
import { offerTasks, taskCreated, type Task, type TaskKeeper } from "../../src/protocol/mcp-tasks.ts";

interface Job {
  readonly id: string;
  readonly startedAt: number;
  /** When it is done, in epoch milliseconds, once all was answered. */
  readonly doneAt: number;
  readonly asks: readonly string[];
  readonly answered: Set<string>;
  readonly result: CallToolResult;
  isCancelled: boolean;
}

/**
 * The tools that the conformance suite wants of a server with tasks, kept in memory, on the code by
 * which Stint's own are put on the wire.
 */
export async function startTasksFixture(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const jobs = new Map<string, Job>();
  const keeper: TaskKeeper = {
    async get(taskId) {
      const job = jobs.get(taskId);
      return job === undefined ? err("unknown_task") : ok(taskOf(job));
    },
    async answer(taskId, answers) {
      const job = jobs.get(taskId);
      for (const key of Object.keys(answers)) job?.answered.add(key);
      return job === undefined ? err("unknown_task") : ok(undefined);
    },
    async cancel(taskId) {
      const job = jobs.get(taskId);
      if (job !== undefined && taskOf(job).progress.status !== "completed") job.isCancelled = true;
      return job === undefined ? err("unknown_task") : ok(undefined);
    },
  };

  function begin(seconds: number, text: string, more: { isError?: true; asks?: readonly string[] } = {}): Job {
    const id = crypto.randomUUID();
    const { isError, asks = [] } = more;
    const result = { content: [{ type: "text" as const, text }], ...(isError === undefined ? {} : { isError }) };
    const startedAt = Date.now();
    const job = { id, startedAt, doneAt: startedAt + seconds * 1000, asks, answered: new Set<string>(), result };
    jobs.set(id, { ...job, isCancelled: false });
    return jobs.get(id)!;
  }

  const handler = createMcpHandler(({ era }) => {
    const server = new McpServer({ name: "fixture", version: "1.0.0" });
    if (era === "modern") offerTasks(server, keeper);
    const tool = <S extends z.ZodObject>(name: string, inputSchema: S, start: (input: z.infer<S>) => Job): void => {
      const work = async (input: z.infer<S>, ctx: never): Promise<CallToolResult> => {
        const job = start(input);
        return declaredAbilities(ctx).tasks ? taskCreated(taskOf(job)) : job.result;
      };
      server.registerTool(name, { description: name, inputSchema }, work as never);
    };
    server.registerTool("greet", { description: "greet", inputSchema: z.object({ name: z.string() }) }, ({ name }) => ({
      content: [{ type: "text", text: `Hello, ${name}!` }],
    }));
    const seconds = z.number().default(0);
    tool("slow_compute", z.object({ seconds, label: z.string().optional() }), (input) => begin(input.seconds, "done"));
    tool("failing_job", z.object({}), () => begin(1, "it did not work", { isError: true }));
    tool("confirm_delete", z.object({ filename: z.string().optional() }), () =>
      begin(0, "deleted", { asks: ["confirm"] }),
    );
    tool("multi_input", z.object({}), () => begin(0, "answered", { asks: ["first", "second"] }));
    return server;
  });
  const { port, close } = await listen(0, "http://localhost", (request) => handler.fetch(request));
  return { url: `http://localhost:${port}/mcp`, close };
}

function taskOf(job: Job): Task {
  const open = job.asks.filter((key) => !job.answered.has(key));
  const seconds = Math.floor(job.startedAt / 1000);
  const about = {
    taskId: job.id,
    createdAt: seconds,
    updatedAt: seconds,
    keptUntil: seconds + 3600,
    pollIntervalSeconds: 1,
  };
  if (job.isCancelled) return { ...about, progress: { status: "cancelled" } };
  if (open.length > 0) return { ...about, progress: { status: "input_required", inputRequests: questions(open) } };
  if (Date.now() < job.doneAt) return { ...about, progress: { status: "working" } };
  return { ...about, progress: { status: "completed", result: job.result } };
}

function questions(keys: readonly string[]) {
  const requestedSchema = { type: "object", properties: { confirm: { type: "boolean" } } } as const;
  return Object.fromEntries(keys.map((key) => [key, inputRequired.elicit({ message: key, requestedSchema })]));
}

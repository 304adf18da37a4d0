import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type InputRequest,
  type McpServer,
  type Result as WireResult,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod/v4";
import type { Json } from "../domain/canonical-json.ts";
import { rfc3339 } from "../domain/moment.ts";
import type { Result } from "../domain/result.ts";
import { abilitiesIn, declaredAbilities, TASKS_EXTENSION } from "./mcp-abilities.ts";

/** The longest id that is looked up, in UTF-16 units: ours are shorter. */
const MAX_TASK_ID_LENGTH = 100;
/** For a question that comes beside another. The range of JSON-RPC's own codes is not ours to take from. */
const TOO_SOON_CODE = 429;

/** How a task stands. A tool that answers with an error has completed, too. */
export type TaskProgress =
  | { readonly status: "working" }
  | { readonly status: "input_required"; readonly inputRequests: Readonly<Record<string, InputRequest>> }
  | { readonly status: "completed"; readonly result: CallToolResult }
  | { readonly status: "cancelled" };

export interface Task {
  readonly taskId: string;
  readonly progress: TaskProgress;
  /** For the human or the model. */
  readonly message?: string | undefined;
  /** Epoch seconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Until when it can be asked for, epoch seconds; for as long as the server lives where nothing is said. */
  readonly keptUntil?: number | undefined;
  readonly pollIntervalSeconds: number;
}

/** Why there is no answer; `unavailable` where whoever keeps the tasks cannot be asked. */
export type TaskFault = "unknown_task" | "too_soon" | "unavailable";

/**
 * Who knows the tasks. Each question is judged by itself: an id authenticates nobody, and what is
 * not the caller's is as unknown as what never was.
 */
export interface TaskKeeper {
  get(taskId: string, ctx: ServerContext): Promise<Result<Task, TaskFault>>;
  /** Takes the answers of the client's human; what was not asked is nothing. */
  answer(taskId: string, answers: Readonly<Record<string, unknown>>): Promise<Result<void, TaskFault>>;
  /** Gives up what still waits. A task that is over stays as it is. */
  cancel(taskId: string): Promise<Result<void, TaskFault>>;
}

/** Offers tasks, with the three methods to follow them by. For clients of 2026-07-28 alone. */
export function offerTasks({ server }: McpServer, keeper: TaskKeeper): void {
  server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  const handle = (method: string, work: (taskId: string, ctx: ServerContext) => Promise<WireResult>): void =>
    server.setRequestHandler(method, { params: TASK_PARAMS }, ({ taskId }, ctx) => {
      if (!declaredAbilities(ctx).tasks) throw new MissingRequiredClientCapabilityError(NEEDED);
      return work(taskId, ctx);
    });

  handle("tasks/get", async (taskId, ctx) => {
    const task = orThrow(await keeper.get(taskId, ctx));
    return { ...seedOf(task), ...stateOf(task.progress) };
  });
  handle("tasks/update", async (taskId, { mcpReq }) => {
    if (mcpReq.inputResponses === undefined)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "inputResponses is missing");
    orThrow(await keeper.answer(taskId, mcpReq.inputResponses));
    return {};
  });
  handle("tasks/cancel", async (taskId) => {
    orThrow(await keeper.cancel(taskId));
    return {};
  });
}

/**
 * The refusal for whoever wants to be told of tasks and did not say, in that very request, that it keeps
 * any (SEP-2663, notifications). Whoever said so is told of none: news would be a stream for each task.
 */
export function refuseTaskNews(body: Json): object | undefined {
  const listening = LISTEN.safeParse(body);
  if (!listening.success) return undefined;
  const { id, params } = listening.data;
  const { _meta: meta } = params;
  if (abilitiesIn(meta).tasks) return undefined;
  const { code, message, data } = new MissingRequiredClientCapabilityError(NEEDED);
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}

/** A task in the place of a tool's answer (`CreateTaskResult`); the library has no name for it, and adds an empty `content`. */
export function taskCreated(task: Task): CallToolResult {
  return { resultType: "task", ...seedOf(task) } as unknown as CallToolResult;
}

/** What a task says of its state beside the word for it. */
function stateOf(progress: TaskProgress) {
  switch (progress.status) {
    case "working":
    case "cancelled":
      return {};
    case "input_required":
      return { inputRequests: progress.inputRequests };
    case "completed":
      // What the call itself would have been answered with, which names its kind.
      return { result: { ...progress.result, resultType: "complete" } };
  }
}

/** What every answer about a task says. */
function seedOf({ taskId, progress, message, createdAt, updatedAt, keptUntil, pollIntervalSeconds }: Task) {
  return {
    taskId,
    status: progress.status,
    ...(message === undefined ? {} : { statusMessage: message }),
    createdAt: rfc3339(createdAt),
    lastUpdatedAt: rfc3339(updatedAt),
    ttlMs: keptUntil === undefined ? null : (keptUntil - createdAt) * 1000,
    pollIntervalMs: pollIntervalSeconds * 1000,
  };
}

function orThrow<T>(found: Result<T, TaskFault>): T {
  if (found.ok) return found.value;
  switch (found.error) {
    case "unknown_task":
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "there is no such task of this client and key");
    case "too_soon":
      throw new ProtocolError(TOO_SOON_CODE, "another question for this task waits; keep to pollIntervalMs");
    case "unavailable":
      throw new ProtocolError(ProtocolErrorCode.InternalError, "Stint cannot tell now; ask again later");
  }
}

const TASK_PARAMS = z.object({ taskId: z.string().max(MAX_TASK_ID_LENGTH) });
const LISTEN = z.object({
  id: z.union([z.string(), z.number()]),
  method: z.literal("subscriptions/listen"),
  params: z.object({
    notifications: z.object({ taskIds: z.json() }),
    _meta: z.record(z.string(), z.unknown()).default({}),
  }),
});
const NEEDED = { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } };

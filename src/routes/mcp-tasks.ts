import type { CallToolResult } from "@modelcontextprotocol/server";
import { inputResponse } from "@modelcontextprotocol/server";
import { nextDeadline, POLL_INTERVAL_SECONDS, RETENTION_SECONDS, type SessionState } from "../domain/session.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { APPROVAL, declaredAbilities, lookRequest, type Abilities } from "../protocol/mcp-abilities.ts";
import { taskCreated, type Task, type TaskFault, type TaskKeeper } from "../protocol/mcp-tasks.ts";
import type { Handling } from "./http.ts";
import { orFault } from "./mcp-fault.ts";
import { ownSession, tell } from "./mcp-sessions.ts";
import { sessionObject } from "./objects.ts";
import type { Bearing } from "./proof.ts";

/** Whether the client's human is still to be asked to look. */
type Looking = "asks" | "asks nobody";

/**
 * The sessions that a client asks for, as tasks. The session's own object is all that is kept of one,
 * and its id is the task's: it is there before the client hears of it, and it ends by itself.
 */
export function sessionTasks(c: Handling, bearing: Bearing): TaskKeeper {
  const { issuer } = c.var.tenant;

  async function described(taskId: string): Promise<Result<SessionDescription, TaskFault>> {
    const own = await ownSession(c, bearing, taskId);
    return own.ok ? ok(own.value.description) : err("unknown_task");
  }

  async function get(taskId: string, { urls }: Abilities): Promise<Result<Task, TaskFault>> {
    const found = await described(taskId);
    if (!found.ok) return found;
    if (found.value.state.status !== "pending") return ok(taskOf(found.value, issuer));
    const session = sessionObject(c.env, issuer, taskId);
    if (!(await session.askTurn())) return err("too_soon");
    const asks = urls && !(await session.isInputAnswered(APPROVAL));
    const now = await described(taskId);
    return now.ok ? ok(taskOf(now.value, issuer, asks ? "asks" : "asks nobody")) : now;
  }

  async function answer(taskId: string, answers: Readonly<Record<string, unknown>>): Promise<Result<void, TaskFault>> {
    const found = await described(taskId);
    if (!found.ok) return found;
    // Whether they looked or did not want to: what decides is the approver's word alone.
    if (inputResponse(answers, APPROVAL).kind === "elicit")
      await sessionObject(c.env, issuer, taskId).answerInput(APPROVAL);
    return ok(undefined);
  }

  async function cancel(taskId: string): Promise<Result<void, TaskFault>> {
    const found = await described(taskId);
    if (!found.ok) return found;
    // Where a human was faster there is nothing to take back: what was approved is ended by end_session.
    if (found.value.state.status === "pending")
      await sessionObject(c.env, issuer, taskId).withdraw(bearing.token.client_id);
    return ok(undefined);
  }

  return {
    get: (taskId, ctx) => orFault(get(taskId, declaredAbilities(ctx)), UNAVAILABLE),
    answer: (taskId, answers) => orFault(answer(taskId, answers), UNAVAILABLE),
    cancel: (taskId) => orFault(cancel(taskId), UNAVAILABLE),
  };
}

/** The answer to a client that keeps tasks, for a session that was just asked for. */
export async function asTask(
  c: Handling,
  bearing: Bearing,
  sessionId: string,
  { urls }: Abilities,
): Promise<CallToolResult> {
  const own = await ownSession(c, bearing, sessionId);
  if (!own.ok) return own.error;
  return taskCreated(taskOf(own.value.description, c.var.tenant.issuer, urls ? "asks" : "asks nobody"));
}

/** How a session stands, as a task. */
export function taskOf(description: SessionDescription, issuer: string, looking: Looking = "asks nobody"): Task {
  const { state, setting } = description;
  const { session_id, requested_at } = state.request;
  const about = {
    taskId: session_id,
    createdAt: requested_at,
    updatedAt: lastChange(state),
    keptUntil: (nextDeadline(state) ?? lastChange(state)) + RETENTION_SECONDS,
    pollIntervalSeconds: POLL_INTERVAL_SECONDS,
  };
  if (state.status === "pending") {
    const message = `A human has to decide; the code that they see, too, is ${setting.match_code}.`;
    const progress =
      looking === "asks"
        ? ({ status: "input_required", inputRequests: lookRequest(issuer, setting.match_code) } as const)
        : ({ status: "working" } as const);
    return { ...about, message, progress };
  }
  const isTakenBack = state.status === "ended" && state.how === "withdrawn";
  return {
    ...about,
    progress: isTakenBack ? { status: "cancelled" } : { status: "completed", result: tell(description) },
  };
}

function lastChange(state: SessionState): number {
  switch (state.status) {
    case "pending":
      return state.request.requested_at;
    case "active":
      return state.decision.decided_at;
    case "ended":
      return state.ended_at;
  }
}

const UNAVAILABLE = err<TaskFault>("unavailable");

import {
  inputRequired,
  inputResponse,
  type CallToolResult,
  type InputRequiredResult,
  type McpRequestContext,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { err, ok, type Result } from "../src/domain/result.ts";
import { POLL_INTERVAL_SECONDS, REQUEST_LIFETIME_SECONDS } from "../src/domain/session.ts";
import { APPROVAL, declaredAbilities, lookParams, lookRequest, type Abilities } from "../src/protocol/mcp-abilities.ts";
import {
  taskCreated,
  type Task,
  type TaskFault,
  type TaskKeeper,
  type TaskProgress,
} from "../src/protocol/mcp-tasks.ts";
import type { HeldSession, HeldSessions } from "./held-sessions.ts";
import { stateAnswer, success } from "./mcp-answers.ts";

/**
 * How a host on this machine waits for the human: by a task, by showing its own human where to look and
 * waiting a moment, or with a handle. All of it lives as long as this process, as its sessions do.
 */
export class HostWaiting implements TaskKeeper {
  readonly #sessions: HeldSessions;
  readonly #issuer: string;
  /** Requests whose host has shown its human where to look, or asked them whether to. */
  readonly #answered = new Set<string>();

  constructor(sessions: HeldSessions, issuer: string) {
    this.#sessions = sessions;
    this.#issuer = issuer;
  }

  /** The first answer to a host that has just asked for a session. */
  async begin(
    sessionId: string,
    matchCode: string,
    server: McpServer,
    era: McpRequestContext["era"],
    ctx: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    // An older host said it once, to this very process; the newer ones say it anew each time.
    const { tasks, urls } = era === "modern" ? declaredAbilities(ctx) : older(server);
    if (tasks) return taskCreated(await this.#task(sessionId, urls));
    if (!urls)
      return success(
        `Asked: session_id ${sessionId}, match code ${matchCode}. Nobody has decided yet. Tell the user the match code, which the approver sees too, then ask session_state.`,
      );
    if (era === "legacy") return this.#showNow(sessionId, matchCode, ctx);
    // What it names is a session of this process or none: there is nobody to keep it from.
    return inputRequired({ inputRequests: lookRequest(this.#issuer, matchCode), requestState: sessionId });
  }

  /** The host calls again: its human was shown where to look, or did not want to. */
  async goOn(sessionId: string, { mcpReq }: ServerContext): Promise<CallToolResult> {
    const answer = inputResponse(mcpReq.inputResponses, APPROVAL);
    const waits = answer.kind === "elicit" && answer.action === "accept";
    return stateAnswer(waits ? await this.#sessions.state(sessionId, mcpReq.signal) : this.#sessions.find(sessionId));
  }

  /** Asks an older host in the middle of its call (2025-11-25, elicitation), and waits for whoever decides. */
  async #showNow(sessionId: string, matchCode: string, { mcpReq }: ServerContext): Promise<CallToolResult> {
    const [shown, enough] = [new AbortController(), new AbortController()];
    const params = { mode: "url" as const, elicitationId: sessionId, ...lookParams(this.#issuer, matchCode) };
    void mcpReq
      .send(
        { method: "elicitation/create", params },
        { signal: shown.signal, timeout: REQUEST_LIFETIME_SECONDS * 1000 },
      )
      .then(
        ({ action }) => action !== "accept" && enough.abort(),
        () => enough.abort(),
      );
    const held = await this.#sessions.state(sessionId, AbortSignal.any([mcpReq.signal, enough.signal]));
    if (held?.status !== "pending") shown.abort("the request waits no longer");
    return stateAnswer(held);
  }

  async get(taskId: string, ctx: ServerContext): Promise<Result<Task, TaskFault>> {
    if (this.#sessions.find(taskId) === undefined) return err("unknown_task");
    return this.#task(taskId, declaredAbilities(ctx).urls).then(ok, unavailable);
  }

  async answer(taskId: string, answers: Readonly<Record<string, unknown>>): Promise<Result<void, TaskFault>> {
    if (this.#sessions.find(taskId) === undefined) return err("unknown_task");
    if (inputResponse(answers, APPROVAL).kind === "elicit") this.#answered.add(taskId);
    return ok(undefined);
  }

  async cancel(taskId: string): Promise<Result<void, TaskFault>> {
    if (this.#sessions.find(taskId) === undefined) return err("unknown_task");
    return this.#sessions.withdraw(taskId).then(ok, unavailable);
  }

  async #task(taskId: string, urls: boolean): Promise<Task> {
    const held = this.#sessions.find(taskId);
    const { askedAt, changedAt } = this.#sessions.times(taskId);
    return {
      taskId,
      createdAt: askedAt,
      updatedAt: changedAt,
      pollIntervalSeconds: POLL_INTERVAL_SECONDS,
      ...(held?.status === "pending" ? { message: `The code that the approver sees, too, is ${held.matchCode}.` } : {}),
      progress: await this.#progress(taskId, held, urls),
    };
  }

  async #progress(taskId: string, held: HeldSession | undefined, urls: boolean): Promise<TaskProgress> {
    if (held?.status === "pending")
      return urls && !this.#answered.has(taskId)
        ? { status: "input_required", inputRequests: lookRequest(this.#issuer, held.matchCode) }
        : { status: "working" };
    if (held?.status === "over" && held.isTakenBack === true) return { status: "cancelled" };
    return { status: "completed", result: await stateAnswer(held) };
  }
}

function older({ server }: McpServer): Abilities {
  return { tasks: false, urls: server.getClientCapabilities()?.elicitation?.url !== undefined };
}

/** A broker that is away for a moment is no result: what has completed stays so. */
function unavailable(): Result<never, TaskFault> {
  return err("unavailable");
}

import {
  createRequestStateCodec,
  inputRequired,
  inputResponse,
  type CallToolResult,
  type InputRequiredResult,
  type McpRequestContext,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { deriveKey, digestOf } from "../crypto/hash.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { APPROVAL, declaredAbilities, lookParams, lookRequest, type Abilities } from "../protocol/mcp-abilities.ts";
import type { RequestSessionInput } from "../protocol/mcp-tools.ts";
import type { Handling } from "./http.ts";
import type { OlderClient } from "./mcp-older-client.ts";
import { toolError } from "./mcp-result.ts";
import { decided, requestOwn, stateOf } from "./mcp-sessions.ts";
import { sessionObject } from "./objects.ts";
import { asTask } from "./mcp-tasks.ts";
import type { Bearing } from "./proof.ts";
import type { RequestedSession } from "./request-session.ts";

/** What a client brings back when it calls again. */
interface Waiting {
  readonly session_id: string;
  /** Of the arguments that the session was asked for with. */
  readonly asked: string;
}

/**
 * Asks for a session, and waits for the human in the best way that this client knows: by a task, by
 * showing its own human where to look and waiting a while, or not at all, with a handle.
 */
export class SessionAsker {
  readonly #c: Handling;
  readonly #bearing: Bearing;
  readonly #era: McpRequestContext["era"];
  readonly #older: OlderClient;
  readonly codec;

  constructor(c: Handling, bearing: Bearing, era: McpRequestContext["era"], older: OlderClient) {
    this.#c = c;
    this.#bearing = bearing;
    this.#era = era;
    this.#older = older;
    const { root, issuer } = c.var.tenant;
    this.codec = createRequestStateCodec<Waiting>({
      key: deriveKey(root, "mcp request state", issuer),
      // After that there is nothing to wait for.
      ttlSeconds: REQUEST_LIFETIME_SECONDS,
      // A state that somebody else brings, or for something else, is no state.
      bind: ({ mcpReq }) => [mcpReq.method, bearing.token.client_id, bearing.proof.jkt].join(" "),
    });
  }

  async ask(input: RequestSessionInput, ctx: ServerContext): Promise<CallToolResult | InputRequiredResult> {
    const asked = digestOf(input);
    const waiting = ctx.mcpReq.requestState<Waiting>();
    if (waiting !== undefined) return this.#goOn(waiting, asked, ctx);
    const requested = await requestOwn(this.#c, this.#bearing, input);
    if (!requested.ok) return requested.error;
    const { session_id } = requested.value;
    const abilities = this.#abilities(ctx);
    if (abilities.tasks) return asTask(this.#c, this.#bearing, session_id, abilities);
    if (!abilities.urls) return stateOf(this.#c, this.#bearing, session_id);
    return this.#era === "legacy" ? this.#showOnStream(requested.value, ctx) : this.#show(requested.value, asked, ctx);
  }

  /** The client calls again: its human was shown where to look. */
  async #goOn({ session_id, asked }: Waiting, digest: string, { mcpReq }: ServerContext): Promise<CallToolResult> {
    if (asked !== digest) return toolError("requestState belongs to other arguments; nothing was asked for");
    const answer = inputResponse(mcpReq.inputResponses, APPROVAL);
    // Who declined to look has not denied anything: the request waits on, but this call does not.
    if (answer.kind !== "elicit" || answer.action !== "accept") return stateOf(this.#c, this.#bearing, session_id);
    return decided(this.#c, this.#bearing, session_id, mcpReq.signal);
  }

  async #show(
    { session_id, match_code }: RequestedSession,
    asked: string,
    ctx: ServerContext,
  ): Promise<InputRequiredResult> {
    return inputRequired({
      inputRequests: lookRequest(this.#c.var.tenant.issuer, match_code),
      requestState: await this.codec.mint({ session_id, asked }, ctx),
    });
  }

  /**
   * Asks on the stream of the answer itself (2025-11-25, elicitation). What the client's human says to it
   * comes in a request of its own, to whichever instance, and decides nothing; that they do not want to
   * look is told by the object of the session whose token was shown, to all calls that wait under it.
   * The other form of 2025-11-25, the error -32042, has the client call again, which would ask twice.
   */
  async #showOnStream(
    { session_id, match_code }: RequestedSession,
    { mcpReq }: ServerContext,
  ): Promise<CallToolResult> {
    const over = new AbortController();
    const nobodyLooks = sessionObject(
      this.#c.env,
      this.#c.var.tenant.issuer,
      this.#bearing.token.session_id,
    ).untilNobodyLooks();
    const params = {
      mode: "url" as const,
      elicitationId: session_id,
      ...lookParams(this.#c.var.tenant.issuer, match_code),
    };
    const shown = mcpReq.send({ method: "elicitation/create", params }, { signal: over.signal });
    shown.catch(() => undefined);
    const waiting = decided(this.#c, this.#bearing, session_id, AbortSignal.any([mcpReq.signal, over.signal]));
    const asItStands = nobodyLooks.then(
      () => stateOf(this.#c, this.#bearing, session_id),
      () => waiting,
    );
    const state = await Promise.race([waiting, asItStands]);
    over.abort("the call waits no longer");
    return state;
  }

  #abilities(ctx: ServerContext): Abilities {
    return this.#era === "modern" ? declaredAbilities(ctx) : { tasks: false, urls: this.#older.urls };
  }
}

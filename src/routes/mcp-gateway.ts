import { Hono } from "hono";
import { newId } from "../crypto/random.ts";
import { serverPlace } from "../domain/access.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { toolsOf } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import type { ServerCallCommand, ServerPermit } from "../durable/session-commands.ts";
import type { Challenge } from "../protocol/dpop.ts";
import { isAmbiguous } from "../protocol/proxy-headers.ts";
import { mirroredHeaders } from "../protocol/mcp-param-headers.ts";
import { gatewayAudience, serverTarget } from "../protocol/token-exchange.ts";
import { invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { withBoundHandle } from "./bound-handle.ts";
import type { App, Handling } from "./http.ts";
import { ledgerBehind } from "./ledger-behind.ts";
import { onlyItsAnswers } from "./mcp-answer.ts";
import { isLookedAt, mirroredParamsOf, showDifferences } from "./mcp-definitions.ts";
import { serverCallError } from "./mcp-errors.ts";
import { judgeServerCall, type JudgedServerCall } from "./mcp-judge.ts";
import { lookFirst } from "./mcp-look.ts";
import { gatewayKey, serverCredential, type ServerCaller } from "./mcp-server-credential.ts";
import { sessionObject } from "./objects.ts";
import { callCommand, enter, type OutgoingCall } from "./outgoing-call.ts";
import { passingBody } from "./passing-body.ts";
import { bearingAt } from "./proof.ts";
import { forward } from "./proxy-forward.ts";
import { UpstreamHealth } from "./upstream-health.ts";

/**
 * Of the streamable HTTP transport: call, and end. Not GET: on a stream that answers no request, a server
 * could answer one all the same, and so show tools that nobody compared.
 */
const METHODS = new Set(["POST", "DELETE"]);

/** A registered MCP server behind Stint. What is not granted never leaves, and its tokens never reach the agent. */
export const mcpGateway = new Hono<App>().all("/mcp/*", async (c) => {
  const answered = await callServer(c);
  return answered.ok ? answered.value : renderError(answered.error);
});

async function callServer(c: Handling): Promise<Result<Response, WireError>> {
  const server = readServer(c);
  if (!server.ok) return server;
  const read = await readCall(c, server.value);
  if (!read.ok) return read;
  const call = read.value;
  const entered = await enter(call, call.challenge);
  if (!entered.ok) return entered;
  const cleared = await clear(call);
  if (!cleared.ok) {
    call.health.withdrew();
    return cleared;
  }
  const response = await send(call, cleared.value);
  const answer = await judgeAnswer(call, response);
  return answer.ok ? ok(withBoundHandle(c, server.value.id, call.bearing.token, answer.value)) : answer;
}

/** A request to a server that the token and today's policy cover. */
interface ServerCall extends OutgoingCall {
  readonly caller: ServerCaller;
  readonly challenge: Challenge;
  readonly judged: Pick<JudgedServerCall, "held" | "said" | "answers" | "showsTools">;
}

/** A call that its session let through, with what it passes besides. */
interface ClearedCall {
  readonly permit: ServerPermit;
  readonly mirrored: Readonly<Record<string, string>>;
}

/** The server that a request line names, to the letter. */
function readServer(c: Handling): Result<Server, WireError> {
  const { tenant, issuer } = c.var.tenant;
  const raw = c.req.url.slice(c.req.url.indexOf("/", "https://".length));
  const [path = "", ...queries] = raw.split("?");
  const server = tenant.servers.get(/^\/mcp\/([a-z0-9][a-z0-9._-]{0,63})$/.exec(path)?.[1] ?? "");
  if (server === undefined || server.trust !== "remote")
    return err({
      status: 404,
      error: "not_found",
      description: "there is no such server here; call {issuer}/mcp/{server}",
    });
  // A page of somebody else's must not reach a server through a browser, by DNS rebinding least of all.
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== issuer)
    return err({ status: 403, error: "access_denied", description: "requests from other origins are not taken" });
  if (!METHODS.has(c.req.method))
    return err({
      status: 405,
      error: "invalid_request",
      description: "a server takes POST and DELETE",
      headers: { allow: [...METHODS].join(", ") },
    });
  if (queries.length > 0) return err(invalidRequest("a server takes no query; the token goes into the header"));
  if (isAmbiguous(c.req.raw.headers))
    return err(invalidRequest("a header that says how the body is to be read stands twice"));
  return ok(server);
}

/** Who calls, and whether this token and today's policy cover all that the request says. */
async function readCall(c: Handling, server: Server): Promise<Result<ServerCall, WireError>> {
  const { issuer } = c.var.tenant;
  const audience = gatewayAudience(issuer, server);
  const bearing = await bearingAt(c, audience, audience, { scope: toolsOf(server).join(" "), also: issuer });
  if (!bearing.ok) return bearing;
  const behind = ledgerBehind(c);
  if (behind !== undefined) return err(behind);
  const { token } = bearing.value;
  const session = sessionObject(c.env, issuer, token.session_id);
  const judged = await judgeServerCall(c, server, bearing.value, audience);
  if (!judged.ok) {
    const { error, reason, unit } = judged.error;
    await session.refuse(reason, { jti: token.jti, server: server.id, method: c.req.method, unit });
    return err(error);
  }
  const { calls, limits, headers, body, challenge } = judged.value;
  const key = server.dpop_bound_access_tokens_required ? await gatewayKey() : undefined;
  const place = serverPlace(server.id);
  return ok({
    c,
    bearing: bearing.value,
    session,
    upstream: { id: place, base_url: server.resource },
    health: new UpstreamHealth(issuer, place),
    audience,
    calls,
    limits,
    headers,
    body: passingBody(c, body),
    caller: { c, server, key },
    challenge,
    judged: judged.value,
  });
}

/** Has the server show its tools before one is called, and the session let the call through and mint what the server is shown. */
async function clear(call: ServerCall): Promise<Result<ClearedCall, WireError>> {
  const { c, bearing, session, caller, challenge, calls, headers } = call;
  const { server, key } = caller;
  const command: ServerCallCommand = {
    ...callCommand(call),
    held: call.judged.held,
    heldUntil: bearing.token.expires_at,
    target: serverTarget(server, server.resource, { isCounted: true }),
    mint: { jti: newId(ID_PREFIXES.token), jkt: key?.jkt },
  };
  const mustLook = calls.length > 0 && !isLookedAt(c, server, calls);
  const looked = mustLook ? await lookFirst(caller, bearing.token, command, challenge) : ok(command.proof);
  if (!looked.ok) return looked;
  const mirrored = mirroredHeaders(headers, call.judged.said, (tool) => mirroredParamsOf(c, server, tool));
  if (!mirrored.ok) {
    await refuse(call, "unreadable_body");
    return err(invalidRequest(mirrored.error));
  }
  const permit = await session.callServer({ ...command, proof: looked.value });
  return permit.ok
    ? ok({ permit: permit.value, mirrored: mirrored.value })
    : err(serverCallError(permit.error, challenge));
}

async function send(call: ServerCall, { permit, mirrored }: ClearedCall): Promise<Response> {
  const { token, ends_at, reserved_bytes } = permit;
  const credential = await serverCredential(call.caller, token);
  return forward({ ...call, mirrored }, "", { credential, ends_at, reserved_bytes, lease_id: token.jti });
}

/** What of an answer passes: no more than was asked for, and no tool that the owner has not accepted. */
async function judgeAnswer(call: ServerCall, response: Response): Promise<Result<Response, WireError>> {
  const { answers, showsTools } = call.judged;
  const onForeign = (): void => call.c.executionCtx.waitUntil(refuse(call, "foreign_answer"));
  const answered = await onlyItsAnswers(response, answers, onForeign);
  if (!answered.ok || !showsTools || !response.ok) return answered;
  const shown = await showDifferences(call.caller, answered.value, answers);
  if (shown.ok) return shown;
  await refuse(call, shown.error.reason);
  return err(shown.error.error);
}

/** Has the session write down why a call of it was stopped. */
async function refuse({ bearing, session, caller }: ServerCall, reason: string): Promise<void> {
  await session.refuse(reason, { jti: bearing.token.jti, server: caller.server.id });
}

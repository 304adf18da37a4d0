import { Hono } from "hono";
import { newId } from "../crypto/random.ts";
import { serverPlace } from "../domain/access.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { toolsOf } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import { mirroredHeaders } from "../protocol/mcp-param-headers.ts";
import { isAmbiguous } from "../protocol/proxy-headers.ts";
import { gatewayAudience, serverTarget } from "../protocol/token-exchange.ts";
import { invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { withBoundHandle } from "./bound-handle.ts";
import { ByteMeter } from "./byte-meter.ts";
import { onlyItsAnswers } from "./mcp-answer.ts";
import { isLookedAt, mirroredParamsOf, showDifferences } from "./mcp-definitions.ts";
import { lookFirst } from "./mcp-look.ts";
import { judgeServerCall } from "./mcp-judge.ts";
import { gatewayKey, serverCredential, type ServerCaller } from "./mcp-server-credential.ts";
import type { App, Handling } from "./http.ts";
import { ledgerBehind } from "./ledger-behind.ts";
import { presented, sessionObject } from "./objects.ts";
import { passingBody } from "./passing-body.ts";
import { bearingAt } from "./proof.ts";
import { leftAlone } from "./proxy-errors.ts";
import { forward } from "./proxy-forward.ts";
import { serverCallError } from "./mcp-errors.ts";
import { useErrorAtResource } from "./session-errors.ts";
import { UpstreamHealth } from "./upstream-health.ts";

/**
 * Of the streamable HTTP transport: call, and end. Not GET: on a stream that answers no request, a server
 * could answer one all the same, and so show tools that nobody compared.
 */
const METHODS = new Set(["POST", "DELETE"]);

/** A registered MCP server behind Stint. What is not granted never leaves, and its tokens never reach the agent. */
export const mcpGateway = new Hono<App>().all("/mcp/*", async (c) => {
  const found = readServer(c);
  if (!found.ok) return renderError(found.error);
  const server = found.value;
  const { issuer } = c.var.tenant;
  const audience = gatewayAudience(issuer, server);
  const bearing = await bearingAt(c, audience, audience, { scope: toolsOf(server).join(" "), also: issuer });
  if (!bearing.ok) return renderError(bearing.error);
  const behind = ledgerBehind(c);
  if (behind !== undefined) return renderError(behind);
  const { token, proof, standing } = bearing.value;
  const session = sessionObject(c.env, issuer, token.session_id);
  const judged = await judgeServerCall(c, server, bearing.value, audience);
  if (!judged.ok) {
    const { error, reason, unit } = judged.error;
    await session.refuse(reason, { jti: token.jti, server: server.id, method: c.req.method, unit });
    return renderError(error);
  }
  const { calls, showsTools, limits, headers, held, said, challenge, answers, body: text } = judged.value;
  const upstream = serverPlace(server.id);
  const health = new UpstreamHealth(issuer, upstream);
  const waitSeconds = health.enter();
  if (waitSeconds > 0) {
    const isLive = await session.introspect(presented(token), standing);
    return renderError(isLive.ok ? leftAlone(waitSeconds) : useErrorAtResource(isLive.error, challenge));
  }
  const key = server.dpop_bound_access_tokens_required ? await gatewayKey() : undefined;
  const caller: ServerCaller = { c, server, key };
  const body = passingBody(c, text);
  const command = {
    token: presented(token),
    proof: proof.oneTime,
    standing,
    upstream,
    calls,
    method: c.req.method,
    limits,
    bodyBytes: body.bytes ?? 0,
    held,
    heldUntil: token.expires_at,
    target: serverTarget(server, server.resource, { isCounted: true }),
    mint: { jti: newId(ID_PREFIXES.token), jkt: key?.jkt },
  };
  const mustLook = calls.length > 0 && !isLookedAt(c, server, calls);
  const looked = mustLook ? await lookFirst(caller, token, command, challenge) : ok(proof.oneTime);
  if (!looked.ok) {
    health.withdrew();
    return renderError(looked.error);
  }
  const mirrored = mirroredHeaders(headers, said, (tool) => mirroredParamsOf(c, server, tool));
  if (!mirrored.ok) {
    health.withdrew();
    await session.refuse("unreadable_body", { jti: token.jti, server: server.id });
    return renderError(invalidRequest(mirrored.error));
  }
  const permit = await session.callServer({ ...command, proof: looked.value });
  if (!permit.ok) {
    health.withdrew();
    return renderError(serverCallError(permit.error, challenge));
  }
  const meter = new ByteMeter({
    session,
    upstream,
    limits,
    reservedBytes: permit.value.reserved_bytes,
    body,
    later: (work) => c.executionCtx.waitUntil(work),
  });
  const credential = await serverCredential(caller, permit.value.token);
  const response = await forward(
    {
      c,
      token,
      session,
      health,
      upstream: { id: upstream, base_url: server.resource },
      audience,
      headers,
      mirrored: mirrored.value,
      meter,
    },
    "",
    {
      credential,
      ends_at: permit.value.ends_at,
      reserved_bytes: permit.value.reserved_bytes,
      lease_id: permit.value.token.jti,
    },
  );
  const refuse = (reason: string) => session.refuse(reason, { jti: token.jti, server: server.id });
  const onForeign = () => c.executionCtx.waitUntil(refuse("foreign_answer"));
  const answered = await onlyItsAnswers(response, answers, onForeign);
  if (!answered.ok) return renderError(answered.error);
  const shown = showsTools && response.ok ? await showDifferences(caller, answered.value, answers) : answered;
  if (!shown.ok) {
    await refuse(shown.error.reason);
    return renderError(shown.error.error);
  }
  return withBoundHandle(c, server.id, token, shown.value);
});

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

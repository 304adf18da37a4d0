import { Hono } from "hono";
import { boundHandle, bindHandle } from "../crypto/mcp-handle.ts";
import { newId } from "../crypto/random.ts";
import { unitsOf, type AccessUnit } from "../domain/access.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { tightest, type Limits } from "../domain/limits.ts";
import { allowsNow, limitsNow } from "../domain/policy.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { judgeServerRequest, toolsOf, type ServerRequest } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import { readJson } from "../protocol/body.ts";
import { scopeError } from "../protocol/dpop.ts";
import { readMcpRequest } from "../protocol/mcp-request.ts";
import { isAmbiguous } from "../protocol/proxy-headers.ts";
import { gatewayAudience, serverTarget } from "../protocol/token-exchange.ts";
import { deny, invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { ByteMeter } from "./byte-meter.ts";
import { checkShownTools, isLookedAt, refuseUnaccepted, showDifferences } from "./mcp-definitions.ts";
import { gatewayKey, serverCredential, type ServerCaller } from "./mcp-server-credential.ts";
import type { App, Handling } from "./http.ts";
import { sessionObject } from "./objects.ts";
import { passingBody } from "./passing-body.ts";
import { bearingAt, challengeOf, type Bearing } from "./proof.ts";
import { leftAlone } from "./proxy-errors.ts";
import { forward } from "./proxy-forward.ts";
import { serverCallError } from "./mcp-errors.ts";
import { useErrorAtResource } from "./session-errors.ts";
import { UpstreamHealth } from "./upstream-health.ts";

/** The largest request that is read to be judged, in bytes. */
const MAX_REQUEST_BYTES = 256 * 1024;
/** Of the streamable HTTP transport: call, listen, end. */
const METHODS = new Set(["POST", "GET", "DELETE"]);
const SESSION_HEADER = "mcp-session-id";

/** A registered MCP server behind Stint. What is not granted never leaves, and its tokens never reach the agent. */
export const mcpGateway = new Hono<App>().all("/mcp/*", async (c) => {
  const found = readServer(c);
  if (!found.ok) return renderError(found.error);
  const server = found.value;
  const { issuer } = c.var.tenant;
  const audience = gatewayAudience(issuer, server);
  const scope = toolsOf(server).join(" ");
  const bearing = await bearingAt(c, audience, audience, { scope, also: issuer });
  if (!bearing.ok) return renderError(bearing.error);
  const { token, proof, standing } = bearing.value;
  const session = sessionObject(c.env, issuer, token.session_id);
  const challenge = { ...challengeOf(c, audience), scope };
  const judged = await judge(c, server, bearing.value, audience);
  if (!judged.ok) {
    const { error, reason, unit } = judged.error;
    await session.refuse(reason, { jti: token.jti, server: server.id, method: c.req.method, unit });
    return renderError(error);
  }
  const { calls, showsTools, limits, headers, body: text } = judged.value;
  const upstream = `mcp:${server.id}`;
  const health = new UpstreamHealth(issuer, upstream);
  const waitSeconds = health.enter();
  if (waitSeconds > 0) {
    const isLive = await session.introspect(token, standing);
    return renderError(isLive.ok ? leftAlone(waitSeconds) : useErrorAtResource(isLive.error, challenge));
  }
  const key = server.dpop_bound_access_tokens_required ? await gatewayKey() : undefined;
  const mustLook = calls.length > 0 && !isLookedAt(c, server);
  const body = passingBody(c, text);
  const permit = await session.callServer({
    token,
    proof: proof.oneTime,
    standing,
    upstream,
    calls,
    method: c.req.method,
    limits,
    bodyBytes: body.bytes ?? 0,
    held: token.authorization_details,
    heldUntil: token.expires_at,
    target: serverTarget(server, server.resource),
    mint: {
      jti: newId(ID_PREFIXES.token),
      jkt: key?.jkt,
      ...(mustLook ? { looking_jti: newId(ID_PREFIXES.token) } : {}),
    },
  });
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
  const caller: ServerCaller = { c, server, key };
  if (permit.value.looking !== undefined) {
    const refusal = await checkShownTools(caller, permit.value.looking);
    if (refusal !== undefined) {
      health.withdrew();
      meter.end();
      await session.refuse(refusal.reason, { jti: token.jti, server: server.id });
      return renderError(refusal.error);
    }
  }
  const credential = await serverCredential(caller, permit.value.token);
  const response = await forward(
    { c, token, session, health, upstream: { id: upstream, base_url: server.resource }, audience, headers, meter },
    "",
    {
      credential,
      ends_at: permit.value.ends_at,
      reserved_bytes: permit.value.reserved_bytes,
      lease_id: permit.value.token.jti,
    },
  );
  const shown = showsTools && response.ok ? await showDifferences(caller, response) : ok(response);
  if (!shown.ok) {
    await session.refuse(shown.error.reason, { jti: token.jti, server: server.id });
    return renderError(shown.error.error);
  }
  return bindSession(c, server, bearing.value, shown.value);
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
      description: "a server takes POST, GET and DELETE",
      headers: { allow: [...METHODS].join(", ") },
    });
  if (queries.length > 0) return err(invalidRequest("a server takes no query; the token goes into the header"));
  if (isAmbiguous(c.req.raw.headers))
    return err(invalidRequest("a header that says how the body is to be read stands twice"));
  return ok(server);
}

interface JudgedServerRequest extends ServerRequest {
  readonly limits: Limits;
  readonly headers: Headers;
  /** What is sent is this, to the byte. */
  readonly body: Uint8Array | undefined;
}

interface Refused {
  readonly error: WireError;
  readonly reason: string;
  readonly unit?: string | undefined;
}

/** Decides a request by all that it says, whatever the session says. */
async function judge(
  c: Handling,
  server: Server,
  { token }: Bearing,
  audience: string,
): Promise<Result<JudgedServerRequest, Refused>> {
  const { tenant, root, issuer } = c.var.tenant;
  const unaccepted = refuseUnaccepted(c, server);
  if (unaccepted !== undefined) return err(unaccepted);
  const headers = new Headers(c.req.raw.headers);
  const presented = headers.get(SESSION_HEADER);
  if (presented !== null) {
    const handle = boundHandle(root, { issuer, server: server.id, sessionId: token.session_id }, presented);
    if (handle === undefined) return err({ reason: "foreign_handle", error: NO_SUCH_HANDLE });
    headers.set(SESSION_HEADER, handle);
  }
  const held = new Set(token.authorization_details.flatMap(unitsOf));
  const mayCall = (unit: AccessUnit): boolean => held.has(unit) && allowsNow(tenant, token.agent, unit);
  const limitsOf = (units: readonly AccessUnit[]): Limits =>
    tightest(units.map((unit) => limitsNow(tenant, token.agent, unit)));
  if (c.req.method !== "POST")
    return ok({
      calls: [],
      showsTools: false,
      limits: limitsOf(toolsOf(server).filter(mayCall)),
      headers,
      body: undefined,
    });
  const read = await readJson(c.req.raw, MAX_REQUEST_BYTES);
  if (!read.ok) return err({ reason: "unreadable_body", error: read.error });
  const said = readMcpRequest(read.value.value, c.req.raw.headers);
  if (!said.ok) return err({ reason: "unreadable_body", error: invalidRequest(said.error) });
  const judged = judgeServerRequest(server, said.value, mayCall);
  if (!judged.ok && judged.error.reason === "unknown_operation")
    return err({ reason: judged.error.reason, error: UNKNOWN });
  if (!judged.ok && judged.error.reason === "not_granted") {
    const { unit } = judged.error;
    const scope = toolsCalled(server, said.value).join(" ");
    return err({ reason: "not_granted", unit, error: scopeError(NOT_GRANTED, { ...challengeOf(c, audience), scope }) });
  }
  if (!judged.ok) return err({ reason: "unknown_operation", error: UNKNOWN });
  const { calls, showsTools } = judged.value;
  const units = calls.length === 0 ? toolsOf(server).filter(mayCall) : calls.map(({ unit }) => unit);
  const body = new TextEncoder().encode(read.value.text);
  return ok({ calls, showsTools, limits: limitsOf(units), headers, body });
}

/** The whole set that a request needs, for one challenge. */
function toolsCalled(
  server: Server,
  calls: readonly { readonly kind: string; readonly tool?: string }[],
): AccessUnit[] {
  const called = new Set(calls.flatMap(({ tool }) => tool ?? []));
  return toolsOf({
    ...server,
    tools: Object.fromEntries(Object.entries(server.tools).filter(([name]) => called.has(name))),
  });
}

/** Binds the handle that a server gives to the session that it was given through. */
function bindSession(c: Handling, server: Server, { token }: Bearing, response: Response): Response {
  const handle = response.headers.get(SESSION_HEADER);
  if (handle === null) return response;
  const { root, issuer } = c.var.tenant;
  const headers = new Headers(response.headers);
  headers.set(SESSION_HEADER, bindHandle(root, { issuer, server: server.id, sessionId: token.session_id }, handle));
  return new Response(response.body, { status: response.status, headers });
}

const NO_SUCH_HANDLE: WireError = {
  status: 404,
  error: "not_found",
  description: "this Mcp-Session-Id was not given to this session; begin anew with initialize",
};
const UNKNOWN = deny(
  "unknown_operation",
  "that call, or one in it, is neither a tool of the server's registration, by its exact name, nor a method that lists",
);
const NOT_GRANTED =
  "the session was not granted every tool in this request; ask for them in a new session, which a human must approve";

import { Hono } from "hono";
import { canonicalPath, canonicalQuery } from "../domain/proxy-path.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import { isUnambiguous, namesOf } from "../domain/query-names.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { isAmbiguous } from "../protocol/proxy-headers.ts";
import { deny, invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { NO_SUCH_HANDLE, withBoundHandle, withOwnHandle } from "./bound-handle.ts";
import type { App, Handling } from "./http.ts";
import { judgeRequest } from "./judge-request.ts";
import { ledgerBehind } from "./ledger-behind.ts";
import { sessionObject } from "./objects.ts";
import { callCommand, enter, type OutgoingCall } from "./outgoing-call.ts";
import { passingBody } from "./passing-body.ts";
import { bearingAt, challengeOf, type Bearing } from "./proof.ts";
import { callError, CREDENTIAL_IN_QUERY, PATH_NOT_CANONICAL, QUERY_AMBIGUOUS } from "./proxy-errors.ts";
import { forward } from "./proxy-forward.ts";
import { UpstreamHealth } from "./upstream-health.ts";

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** An upstream's own API, with the credential injected. What is not granted never leaves. */
export const proxy = new Hono<App>().all("/proxy/*", async (c) => {
  const target = readTarget(c);
  if (!target.ok) return renderError(target.error);
  const { upstream, path } = target.value;
  const audience = proxyAudience(c, upstream);
  const bearing = await bearingAt(c, audience + path, audience);
  return bearing.ok ? callUpstream(c, bearing.value, target.value) : renderError(bearing.error);
});

function proxyAudience(c: Handling, { upstream }: CompiledUpstream): string {
  return `${c.var.tenant.issuer}/proxy/${upstream.id}`;
}

/** Makes one call of an upstream for whoever bears the token, if all in it was granted. */
export async function callUpstream(
  c: Handling,
  bearing: Bearing,
  { upstream, path, query }: ProxyTarget,
): Promise<Response> {
  const behind = ledgerBehind(c);
  if (behind !== undefined) return renderError(behind);
  if (!isUnambiguous(namesOf(query.slice(1)), upstream.catalogue.repeatable)) return renderError(QUERY_AMBIGUOUS);
  const { issuer } = c.var.tenant;
  const { token } = bearing;
  const { id } = upstream.upstream;
  const session = sessionObject(c.env, issuer, token.session_id);
  const refuse = (reason: string, unit?: string) =>
    session.refuse(reason, { jti: token.jti, upstream: id, method: c.req.method, unit });
  // An upstream may be an MCP server, too.
  const place = `proxy/${id}`;
  const headers = withOwnHandle(c, place, token);
  if (headers === undefined) {
    await refuse("foreign_handle");
    return renderError(NO_SUCH_HANDLE);
  }
  const judged = await judgeRequest(c, bearing, upstream, path, query);
  if (!judged.ok) {
    const { error, reason, unit } = judged.error;
    await refuse(reason, unit);
    return renderError(error);
  }
  const audience = proxyAudience(c, upstream);
  const call: OutgoingCall = {
    c,
    bearing,
    session,
    upstream: upstream.upstream,
    health: new UpstreamHealth(issuer, id),
    audience,
    calls: judged.value.calls,
    limits: judged.value.limits,
    headers,
    body: passingBody(c, judged.value.body),
  };
  const challenge = challengeOf(c, audience);
  const entered = await enter(call, challenge);
  if (!entered.ok) return renderError(entered.error);
  const permit = await session.call(callCommand(call));
  if (permit.ok) return withBoundHandle(c, place, token, await forward(call, path + query, permit.value));
  // Who issues its credentials may be down and the upstream well; a session leaves that one alone by itself.
  call.health.withdrew();
  return renderError(callError(permit.error, challenge));
}

export interface ProxyTarget {
  readonly upstream: CompiledUpstream;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
}

/** Reads upstream and path off the request line as it was sent; what a URL parser would mend is refused instead. */
function readTarget(c: Handling): Result<ProxyTarget, WireError> {
  if (!METHODS.has(c.req.method))
    return err({
      status: 405,
      error: "invalid_request",
      description: "the proxy passes GET, HEAD, POST, PUT, PATCH and DELETE",
    });
  const raw = c.req.url.slice(c.req.url.indexOf("/", "https://".length));
  const [beforeQuery = "", ...queries] = raw.split("?");
  const match = /^\/proxy\/([a-z0-9][a-z0-9._-]{0,63})(\/.*)$/.exec(beforeQuery);
  const upstream = c.var.tenant.tenant.upstreams.get(match?.[1] ?? "");
  if (match === null || upstream === undefined)
    return err(deny("no_such_upstream", "there is no such upstream; call {issuer}/proxy/{upstream}/{path}"));
  const path = canonicalPath(match[2] ?? "");
  const query = canonicalQuery(queries.join("?"));
  if (!path.ok) return err(PATH_NOT_CANONICAL);
  if (!query.ok) return err(query.error === "forbidden_parameter" ? CREDENTIAL_IN_QUERY : PATH_NOT_CANONICAL);
  if (["upgrade", "te", "trailer", "expect"].some((name) => c.req.header(name) !== undefined)) {
    return err({
      status: 400,
      error: "invalid_request",
      description: "the proxy passes plain requests: no Upgrade, TE, Trailer or Expect",
    });
  }
  if (isAmbiguous(c.req.raw.headers))
    return err(invalidRequest("a header that says how the body is to be read stands twice"));
  // The header would stay behind, and the upstream would read the compressed bytes as they are.
  if (c.req.header("content-encoding") !== undefined)
    return err({ status: 415, error: "invalid_request", description: "send the body without a Content-Encoding" });
  return ok({ upstream, path: path.value, query: query.value === "" ? "" : `?${query.value}` });
}

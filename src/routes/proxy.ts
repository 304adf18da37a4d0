import { Hono } from "hono";
import { canonicalPath, canonicalQuery } from "../domain/proxy-path.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Session } from "../durable/session.ts";
import type { CallPermit } from "../durable/session-commands.ts";
import type { Challenge } from "../protocol/dpop.ts";
import { limitError } from "../protocol/limit-error.ts";
import { headersFromUpstream, headersToUpstream } from "../protocol/proxy-headers.ts";
import { dropEchoes, injectCredential } from "../protocol/upstream-credential.ts";
import { deny, renderError, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { outboundOf } from "../tenancy.ts";
import { ByteMeter } from "./byte-meter.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { judgeRequest } from "./judge-request.ts";
import { sessionObject } from "./objects.ts";
import { passingBody } from "./passing-body.ts";
import { bearingAt, challengeOf, freshNonce } from "./proof.ts";
import { useErrorAtResource } from "./session-errors.ts";

/** How long an upstream may take to begin its answer, in milliseconds. */
const UPSTREAM_HEADERS_DEADLINE_MS = 30_000;
/** How long a whole answer may take, in milliseconds. */
const UPSTREAM_BODY_DEADLINE_MS = 300_000;
/** The largest answer that is passed on, in bytes. */
const MAX_RESPONSE_BYTES = 1024 ** 3;

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** An upstream's own API, with the credential injected. What is not granted never leaves. */
export const proxy = new Hono<App>().all("/proxy/*", async (c) => {
  const target = readTarget(c);
  if (!target.ok) return renderError(target.error);
  const { upstream, path, query } = target.value;
  const audience = `${c.var.tenant.issuer}/proxy/${upstream.upstream.id}`;
  const bearing = await bearingAt(c, audience + path, audience);
  if (!bearing.ok) return renderError(bearing.error);
  const session = sessionObject(c.env, c.var.tenant.issuer, bearing.value.token.session_id);
  const { token, proof, standing } = bearing.value;
  const judged = await judgeRequest(c, bearing.value, upstream, path, query);
  if (!judged.ok) {
    const { error, reason, unit } = judged.error;
    await session.refuse(reason, { jti: token.jti, upstream: upstream.upstream.id, method: c.req.method, unit });
    return renderError(error);
  }
  const { calls, limits } = judged.value;
  const body = passingBody(c, judged.value.body);
  const permit = await session.call({
    token,
    proof: proof.oneTime,
    standing,
    upstream: upstream.upstream.id,
    calls,
    method: c.req.method,
    limits,
    bodyBytes: body.bytes ?? 0,
  });
  if (!permit.ok) return renderError(callError(permit.error, challengeOf(c, audience)));
  const meter = new ByteMeter({
    session,
    upstream: upstream.upstream.id,
    limits,
    reservedBytes: permit.value.reserved_bytes,
    body,
    later: (work) => c.executionCtx.waitUntil(work),
  });
  return forward(c, upstream, path + query, permit.value, meter);
});

interface ProxyTarget {
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
  return ok({ upstream, path: path.value, query: query.value === "" ? "" : `?${query.value}` });
}

async function forward(
  c: Handling,
  { upstream }: CompiledUpstream,
  pathAndQuery: string,
  permit: CallPermit,
  meter: ByteMeter,
): Promise<Response> {
  const outbound = outboundOf(c.var.tenant);
  const remainingMs = (permit.ends_at - nowSeconds()) * 1000;
  const { credential } = permit;
  const call = await injectCredential(upstream.base_url + pathAndQuery, c.req.method, credential, nowSeconds());
  const answered = await outbound.stream({
    url: call.url,
    method: c.req.method,
    headers: headersToUpstream(c.req.raw.headers, call.headers),
    body: meter.request(),
    signal: meter.signal,
    deadlineMs: UPSTREAM_HEADERS_DEADLINE_MS,
    totalDeadlineMs: Math.max(0, Math.min(UPSTREAM_BODY_DEADLINE_MS, remainingMs)),
    maxBytes: MAX_RESPONSE_BYTES,
  });
  if (!answered.ok) {
    meter.end();
    if (meter.reached !== undefined) return renderError(limitError(meter.reached, true));
    return renderError(
      answered.error.kind === "timeout"
        ? {
            status: 504,
            error: "upstream_timeout",
            description: "the upstream did not answer in time; the call may have had its effect",
          }
        : UPSTREAM_UNAVAILABLE,
    );
  }
  const response = answered.value;
  const refusal = refuseResponse(response, nowSeconds() >= permit.ends_at);
  if (refusal !== undefined) {
    meter.end();
    await response.body?.cancel();
    return renderError(refusal);
  }
  const headers = dropEchoes(headersFromUpstream(response.headers), credential);
  headers.set("dpop-nonce", freshNonce(c, "resource"));
  if (response.body === null) {
    meter.end();
    return new Response(null, { status: response.status, headers });
  }
  if (!(await meter.makeRoom(Number(response.headers.get("content-length") ?? 0))) && meter.reached !== undefined) {
    meter.end();
    await response.body.cancel();
    return renderError(limitError(meter.reached, true));
  }
  return new Response(meter.answer(response.body), { status: response.status, headers });
}

/** Answers that must not reach the caller as they are. */
function refuseResponse(response: Response, ended: boolean): WireError | undefined {
  if (ended)
    return { status: 401, error: "invalid_token", description: "the session ended before the upstream answered" };
  if (response.status === 401 || response.status === 407) {
    return {
      status: 502,
      error: "upstream_unauthorized",
      description: "the upstream refused Stint's credential; your token and session are not at fault",
    };
  }
  if (response.status >= 300 && response.status < 400 && response.status !== 304) {
    return {
      status: 502,
      error: "upstream_redirect",
      description: "the upstream answered with a redirect, which the proxy does not follow",
    };
  }
  return undefined;
}

function callError(
  fault: Extract<Awaited<ReturnType<Session["call"]>>, { ok: false }>["error"],
  challenge: Challenge,
): WireError {
  if (typeof fault === "object") return limitError(fault);
  switch (fault) {
    case "not_granted":
      return deny("not_granted", "the session was not granted that, or the trust policy no longer allows it");
    case "upstream_unavailable":
      return UPSTREAM_UNAVAILABLE;
    case "upstream_refused":
      return {
        status: 502,
        error: "upstream_unauthorized",
        description: "the upstream refused to issue a credential for this session",
      };
    case "upstream_broken":
      return UPSTREAM_BROKEN;
    case "not_linked":
      return deny("account_not_linked", "the person this session works for has no account linked at this upstream");
    case "upstream_withheld":
      return deny("upstream_withheld", "the upstream gave Stint less than was granted, and this call needs the rest");
    case "upstream_misconfigured":
      return { ...UNAVAILABLE, description: "the upstream is not fully configured; its operator must mend it" };
    default:
      return useErrorAtResource(fault, challenge);
  }
}

const PATH_NOT_CANONICAL: WireError = {
  status: 400,
  error: "invalid_request",
  description:
    "the path or query is not in canonical form: no dot or empty segments, no ;, no needless or lower-case percent-encoding, no repeated parameter",
};
const CREDENTIAL_IN_QUERY: WireError = {
  status: 400,
  error: "invalid_request",
  description: "the query carries a credential or a method override; the proxy brings the credential itself",
};
const UPSTREAM_UNAVAILABLE: WireError = {
  status: 502,
  error: "upstream_unavailable",
  description: "the upstream did not answer properly; nothing was retried",
};
const UPSTREAM_BROKEN: WireError = {
  status: 502,
  error: "upstream_broken",
  description: "Stint's connection to the upstream is broken; its operator must renew it",
};

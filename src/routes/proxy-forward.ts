import type { Credential } from "../domain/credential.ts";
import { credentialForms } from "../domain/credential-forms.ts";
import { EchoTexts, EchoWatch } from "../domain/echo-watch.ts";
import type { CallPermit, UpstreamMisdeed } from "../durable/session-commands.ts";
import { log } from "../log.ts";
import { tokenError } from "../protocol/dpop.ts";
import { limitError } from "../protocol/limit-error.ts";
import { headersFromUpstream, headersToUpstream, proxiedLinks, proxiedLocation } from "../protocol/proxy-headers.ts";
import { dropEchoes, injectCredential, shownAs } from "../protocol/upstream-credential.ts";
import { renderError, type WireError } from "../protocol/wire-error.ts";
import { outboundOf } from "../tenancy.ts";
import type { ByteMeter } from "./byte-meter.ts";
import { nowSeconds } from "./http.ts";
import { meterOf, type OutgoingCall } from "./outgoing-call.ts";
import { challengeOf, freshNonce } from "./proof.ts";
import { ECHOED, ELSEWHERE, MISCONFIGURED, REFUSED_US, streamError, type StreamFault } from "./proxy-errors.ts";
import { watchSession } from "./session-watch.ts";
import type { UpstreamHealth } from "./upstream-health.ts";

/** How long an upstream may take to begin its answer once it has the request, in milliseconds. */
const UPSTREAM_HEADERS_DEADLINE_MS = 30_000;
/** How long a call may stand still; an event stream sends something now and then to stay open. In milliseconds. */
const IDLE_DEADLINE_MS = 60_000;
/** How long a whole call may take, bodies included, in milliseconds. */
const CALL_DEADLINE_MS = 300_000;
/** The largest body that is passed on, either way, in bytes. */
const MAX_BODY_BYTES = 1024 ** 3;
/** Credentials of which it is remembered what to look for, the latest ones. */
const MAX_REMEMBERED_TEXTS = 32;
/** What a gateway answers for an upstream that is not there. */
const NOT_THERE = new Set([502, 503, 504]);

/** Sends a call that was let through, once, and passes its answer back. */
export async function forward(call: OutgoingCall, pathAndQuery: string, permit: CallPermit): Promise<Response> {
  const { c, upstream, health } = call;
  const meter = meterOf(call, permit.reserved_bytes);
  const { credential } = permit;
  const texts = textsOf(credential);
  if (texts === undefined) {
    health.withdrew();
    meter.end();
    return renderError(MISCONFIGURED);
  }
  const watch = new EchoWatch(texts);
  const url = upstream.base_url + pathAndQuery;
  const received = { method: c.req.method, headers: call.headers, body: meter.request() };
  // A body that has to be signed is read here, and may break off or be over the limit.
  const injected = await injectCredential(url, received, credential, nowSeconds()).catch(() => undefined);
  if (injected?.ok !== true) {
    health.withdrew();
    meter.end();
    if (meter.reached !== undefined) return renderError(limitError(meter.reached));
    return renderError(injected?.error ?? streamError({ kind: "body_broken" }, endedError(call)));
  }
  const sent = injected.value;
  const sessionWatch = watchSession(c, call.bearing.token);
  const answered = await outboundOf(c.var.tenant).stream({
    url: sent.url,
    method: c.req.method,
    headers: headersToUpstream(call.headers, { ...call.mirrored, ...sent.headers }),
    body: sent.body instanceof Uint8Array ? new Response(sent.body).body : sent.body,
    bodyLength: sent.body instanceof Uint8Array ? sent.body.byteLength : meter.requestBytes,
    deadlineMs: UPSTREAM_HEADERS_DEADLINE_MS,
    idleDeadlineMs: IDLE_DEADLINE_MS,
    totalDeadlineMs: Math.max(0, Math.min(CALL_DEADLINE_MS, permit.ends_at * 1000 - Date.now())),
    maxBytes: MAX_BODY_BYTES,
    signal: AbortSignal.any([sessionWatch.signal, meter.signal]),
    watch,
    onEnd(fault) {
      sessionWatch.stop();
      // Here the head of the answer is long gone; what is left to do is to tell.
      if (fault === "credential_echoed") c.executionCtx.waitUntil(report(call, permit, "credential_echoed"));
    },
  });
  if (!answered.ok) {
    const { kind } = answered.error;
    if (kind === "credential_echoed") await report(call, permit, kind);
    tell(health, kind);
    meter.end();
    if (meter.reached !== undefined) return renderError(limitError(meter.reached, true));
    if (kind === "overdue" && nowSeconds() >= permit.ends_at) return renderError(endedError(call));
    return renderError(streamError(answered.error, endedError(call)));
  }
  const response = answered.value;
  health.settled(!NOT_THERE.has(response.status));
  if (!(await meter.begin(lengthOf(response), (answer) => sessionWatch.begin(answer)))) {
    await discard(response);
    return renderError(endedError(call));
  }
  // An upstream that takes its key in the address names its own addresses with it, as in links to a next page.
  const answerHeaders =
    credential.kind === "query" ? dropEchoes(new Headers(response.headers), credential) : response.headers;
  const place = { baseUrl: upstream.base_url, proxyUrl: call.audience };
  const location = proxiedLocation(answerHeaders.get("location"), url, place);
  const head = { status: response.status, headers: answerHeaders };
  const refusal = await judgeHead(call, permit, head, location, watch);
  if (refusal !== undefined) {
    meter.end();
    await discard(response);
    return renderError(refusal);
  }
  const headers = headersFromUpstream(answerHeaders);
  if (location !== undefined) headers.set("location", location);
  const links = headers.get("link");
  if (links !== null) headers.set("link", proxiedLinks(links, url, place));
  headers.set("dpop-nonce", freshNonce(c, "resource"));
  if (response.body === null) {
    meter.end();
    return new Response(null, { status: response.status, headers });
  }
  const counted = meter.reached === undefined ? await count(response.body, meter) : undefined;
  if (counted !== undefined) return new Response(counted, { status: response.status, headers });
  meter.end();
  await discard(response);
  return renderError(meter.reached === undefined ? endedError(call) : limitError(meter.reached, true));
}

const textsOfLate = new Map<string, EchoTexts>();

/** What an answer may not hold; undefined where the credential has nothing that could be looked for. Calls use the same one again and again. */
function textsOf(credential: Credential): EchoTexts | undefined {
  const shown = shownAs(credential);
  const name = shown.join("\n");
  const known = textsOfLate.get(name);
  if (known !== undefined) return known;
  const forms = shown.flatMap(credentialForms);
  if (forms.length === 0) return undefined;
  if (textsOfLate.size >= MAX_REMEMBERED_TEXTS) textsOfLate.delete(textsOfLate.keys().next().value!);
  const texts = new EchoTexts(forms);
  textsOfLate.set(name, texts);
  return texts;
}

/** What an upstream answered; its body is bytes where all of it is here. */
interface Answer {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
}

function count(body: NonNullable<Answer["body"]>, meter: ByteMeter): Promise<Answer["body"] | undefined> {
  return body instanceof Uint8Array ? meter.wholeAnswer(body) : meter.answer(body);
}

/** How many bytes an answer will have, if its head says so. */
function lengthOf({ body, headers }: Answer): number | undefined {
  if (body === null) return 0;
  if (body instanceof Uint8Array) return body.byteLength;
  const length = headers.get("content-length") ?? "";
  return /^[0-9]{1,15}$/.test(length) ? Number(length) : undefined;
}

async function discard({ body }: Answer): Promise<void> {
  if (body instanceof ReadableStream) await body.cancel().catch(() => undefined);
}

/** Tells what the lack of an answer says of the upstream. */
function tell(health: UpstreamHealth, kind: StreamFault["kind"]): void {
  switch (kind) {
    case "network":
    case "timeout":
      return health.settled(false);
    case "credential_echoed":
    case "undecodable":
    case "too_large":
      return health.settled(true);
    case "refused_address":
    case "overdue":
    case "ended":
    case "body_broken":
    case "body_too_large":
      return health.withdrew();
  }
}

/** Answers that must not reach the caller as they are. */
async function judgeHead(
  call: OutgoingCall,
  permit: CallPermit,
  { status, headers }: Pick<Response, "status" | "headers">,
  location: string | undefined,
  watch: EchoWatch,
): Promise<WireError | undefined> {
  if (nowSeconds() >= permit.ends_at) return endedError(call);
  // Also in a header that would not be passed on: whoever runs the upstream should hear of it.
  if (watch.isIn([...headers].flat().join("|"))) {
    await report(call, permit, "credential_echoed");
    return ECHOED;
  }
  if (status === 401 || status === 407) {
    await report(call, permit, "credential_refused");
    return REFUSED_US;
  }
  return status >= 300 && status < 400 && status !== 304 && location === undefined ? ELSEWHERE : undefined;
}

/** Has the session write down what its upstream did. */
async function report(
  { c, bearing: { token }, session, upstream }: OutgoingCall,
  permit: CallPermit,
  kind: UpstreamMisdeed["kind"],
): Promise<void> {
  const { issuer } = c.var.tenant;
  log(`upstream.${kind}`, { issuer, session_id: token.session_id, upstream: upstream.id });
  await session.reportUpstream({ kind, jti: token.jti, upstream: upstream.id, lease_id: permit.lease_id });
}

function endedError({ c, audience }: OutgoingCall): WireError {
  return tokenError("the session ended before the call was over", challengeOf(c, audience));
}

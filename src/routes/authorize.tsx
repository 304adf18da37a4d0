import { Hono } from "hono";
import { findClient, type Client } from "../clients.ts";
import { newId } from "../crypto/random.ts";
import { handleOf, matchCode } from "../crypto/session-handle.ts";
import { unitsOf } from "../domain/access.ts";
import { unitLine } from "../domain/facts.ts";
import { ID_PREFIXES, isSessionId } from "../domain/ids.ts";
import { labelsFor } from "../domain/labels.ts";
import { registrationOf } from "../domain/registration.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { AuthorizeBegin } from "../pages/authorize-begin.tsx";
import { AuthorizeRefused } from "../pages/authorize-refused.tsx";
import { AuthorizeWait } from "../pages/authorize-wait.tsx";
import { parseForm, readForm, type Form } from "../protocol/body.ts";
import type { OneTimeClaim } from "../protocol/client-assertion.ts";
import { invalidRequest, NO_STORE, type WireError } from "../protocol/wire-error.ts";
import { narrowingAt } from "../tenancy.ts";
import { judgeAuthorization, type AuthorizationFault, type JudgedAuthorization } from "./authorization.ts";
import { checkView, csrfToken, isSameOrigin, startView, viewDigest } from "./browser-view.ts";
import { clientError } from "./client.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { agentObject, sessionObject } from "./objects.ts";
import { page, type PageStatus } from "./page.ts";
import { REQUEST_URI_PREFIX } from "./par.ts";
import { requestSession, sessionAskError, type RequestedSession, type SessionAskFault } from "./request-session.ts";

/**
 * RFC 6749 §4.1 with PKCE, for clients whose human sits at the browser. GET shows what is asked and
 * changes nothing. The human names themselves, and what then opens is a session like any other: the
 * policy says whether they may decide, a link goes to them, and the decision happens on the approval
 * page, in this same browser. Each session asks again.
 */
export const authorize = new Hono<App>()
  .get("/oauth/authorize", async (c) => {
    const begun = await readQuery(c, new URL(c.req.url).search.slice(1));
    if (!begun.ok) return refusal(c, begun.error);
    const { judged, client, query } = begun.value;
    const { request, details, codeFlow } = judged;
    const labels = labelsFor(
      c.var.tenant.tenant,
      { client_id: client.id, authorization_details: details },
      narrowingAt,
    );
    return page(
      c,
      <AuthorizeBegin
        clientName={registrationOf(c.var.tenant.tenant, client.id)?.name ?? client.id}
        clientId={client.id}
        returnsTo={new URL(codeFlow.redirect_uri).host}
        resource={codeFlow.resource}
        lines={details.flatMap(unitsOf).map((unit) => unitLine(unit, labels))}
        query={query}
        person={request.login_hint ?? ""}
      />,
      200,
      new URL(codeFlow.redirect_uri).origin,
    );
  })
  .post("/oauth/authorize", async (c) => {
    const form = await readOwnForm(c);
    if (!form.ok) return refusal(c, { error: form.error });
    const begun = await readQuery(c, form.value.get("query") ?? "");
    if (!begun.ok) return refusal(c, begun.error);
    const person = form.value.get("person") ?? "";
    const view = startView(c);
    const opened = await open(c, begun.value, person, view);
    if (!opened.ok) return reportedRefusal(c, begun.value.judged, sessionAskError(opened.error, c));
    return wait(c, opened.value, view, new URL(begun.value.judged.codeFlow.redirect_uri));
  })
  .post("/oauth/authorize/continue", async (c) => {
    const form = await readOwnForm(c);
    if (!form.ok) return refusal(c, { error: form.error });
    const sessionId = form.value.get("session") ?? "";
    const view = checkView(c, form.value.get("csrf"), sessionId);
    if (view === undefined || !isSessionId(sessionId)) return refusal(c, { error: FORBIDDEN });
    const { issuer } = c.var.tenant;
    const session = sessionObject(c.env, issuer, sessionId);
    // The script only looks; what it then submits is this form.
    if (c.req.header("accept") === "application/json")
      return c.json({ decided: await session.isDecided(viewDigest(view)) }, 200, NO_STORE);
    const progress = await session.takeCode(viewDigest(view));
    if (progress?.kind !== "decided") return waitOn(c, form.value, sessionId, view, progress?.description);
    return progress.approved ? comeBack(c, progress.description) : comeBackRefused(c, progress.description);
  });

/** A request that a browser brought, and whatever it uses up when it begins. */
interface BroughtRequest {
  readonly client: Client;
  readonly judged: JudgedAuthorization;
  /** As it stands in the address, to be brought again. */
  readonly query: string;
  readonly oneTime: readonly OneTimeClaim[];
}

async function readQuery(c: Handling, query: string): Promise<Result<BroughtRequest, AuthorizationFault>> {
  const parsed = parseForm(query);
  if (!parsed.ok) return err({ error: parsed.error });
  const clientId = parsed.value.get("client_id");
  if (clientId === undefined) return err({ error: invalidRequest("client_id is missing") });
  const client = await findClient(c.env, c.var.tenant, clientId);
  if (!client.ok) return err({ error: client.error === "unknown" ? UNKNOWN_CLIENT : clientError(client.error) });
  const pushed = await readPushed(c, client.value, parsed.value);
  if (!pushed.ok) return pushed;
  const judged = judgeAuthorization(c, client.value, pushed.value.parameters);
  return judged.ok ? ok({ client: client.value, judged: judged.value, query, oneTime: pushed.value.oneTime }) : judged;
}

/** RFC 9126 §4: what was pushed stands for the whole request; what comes beside it is not looked at. */
async function readPushed(
  c: Handling,
  client: Client,
  parameters: Form,
): Promise<Result<{ parameters: Form; oneTime: readonly OneTimeClaim[] }, AuthorizationFault>> {
  const requestUri = parameters.get("request_uri");
  if (requestUri === undefined) return ok({ parameters, oneTime: [] });
  if (!requestUri.startsWith(REQUEST_URI_PREFIX)) return err({ error: REQUEST_URI_NOT_SUPPORTED });
  const id = requestUri.slice(REQUEST_URI_PREFIX.length);
  const pushed = await agentObject(c.env, c.var.tenant.issuer, client.id).pushed(id);
  if (pushed === undefined) return err({ error: INVALID_REQUEST_URI });
  return ok({
    parameters: new Map(JSON.parse(pushed.parameters) as [string, string][]),
    oneTime: [{ key: `pushed:${id}`, rememberUntil: pushed.until }],
  });
}

/**
 * Opens the session and has its link sent, if this person may decide. If not, the browser is told the
 * same and waits for nothing: a stranger learns neither who works here nor who may decide what.
 */
async function open(
  c: Handling,
  { client, judged, oneTime }: BroughtRequest,
  person: string,
  view: string,
): Promise<Result<RequestedSession, SessionAskFault>> {
  const { request, details, codeFlow } = judged;
  const opened = await requestSession(c, {
    client: { client, id: client.id, oneTime: [] },
    oneTime,
    task: request.task,
    authorization_details: details,
    expires_in: request.expires_in,
    approver: person,
    jkt: request.dpop_jkt,
    codeFlow,
    browser: { digest: viewDigest(view), state: request.state },
  });
  if (opened.ok || opened.error.kind !== "refused" || opened.error.fault.reason !== "unknown_approver") return opened;
  const sessionId = newId(ID_PREFIXES.session);
  const { root, issuer } = c.var.tenant;
  return ok({
    session_id: sessionId,
    match_code: matchCode(root, issuer, sessionId),
    request_expires_at: nowSeconds() + REQUEST_LIFETIME_SECONDS,
  });
}

function wait(
  c: Handling,
  { session_id, match_code, request_expires_at }: RequestedSession,
  view: string,
  redirect: URL,
): Response {
  return page(
    c,
    <AuthorizeWait
      matchCode={match_code}
      returnsTo={redirect.host}
      sessionId={session_id}
      csrf={csrfToken(c, view, session_id)}
      requestExpiresAt={request_expires_at}
    />,
    200,
    redirect.origin,
  );
}

/** Waits on. Of a session that there is none of, nothing is known but what the form says. */
function waitOn(
  c: Handling,
  form: Form,
  sessionId: string,
  view: string,
  description: SessionDescription | undefined,
): Response {
  const { root, issuer } = c.var.tenant;
  const until = Number(form.get("until"));
  const redirect = description?.state.request.code_flow?.redirect_uri ?? issuer;
  return wait(
    c,
    {
      session_id: sessionId,
      match_code: matchCode(root, issuer, sessionId),
      request_expires_at: Number.isSafeInteger(until) ? Math.min(until, nowSeconds() + REQUEST_LIFETIME_SECONDS) : 0,
    },
    view,
    new URL(redirect),
  );
}

function comeBack(c: Handling, description: SessionDescription): Response {
  const { root, issuer } = c.var.tenant;
  const { session_id } = description.state.request;
  return redirectBack(c, description, { code: handleOf(root, issuer, "code", session_id) });
}

function comeBackRefused(c: Handling, description: SessionDescription): Response {
  const { state } = description;
  if (state.status === "active") return refusal(c, { error: ALREADY_CONTINUED });
  const denied = state.status === "ended" && state.how === "denied";
  return redirectBack(c, description, {
    error: "access_denied",
    error_description: denied ? "the request was denied" : "nobody decided in time, or the session has ended",
  });
}

function redirectBack(
  c: Handling,
  { state, setting }: SessionDescription,
  parameters: Readonly<Record<string, string>>,
): Response {
  return redirectTo(c, state.request.code_flow?.redirect_uri ?? "", setting.browser?.state, parameters);
}

/** The authorization response: `state` as it came, and `iss` always (RFC 9207). */
function redirectTo(
  c: Handling,
  redirectUri: string,
  state: string | undefined,
  parameters: Readonly<Record<string, string>>,
): Response {
  const url = new URL(redirectUri);
  const all = { ...parameters, ...(state === undefined ? {} : { state }), iss: c.var.tenant.issuer };
  for (const [name, text] of Object.entries(all)) url.searchParams.append(name, text);
  return c.body(null, 303, { ...NO_STORE, location: url.href });
}

/** An error goes back to the client only at an address that is its own (RFC 6749 §4.1.2.1). */
function refusal(c: Handling, { error, redirectUri, state }: AuthorizationFault): Response {
  if (redirectUri !== undefined)
    return redirectTo(c, redirectUri, state, { error: error.error, error_description: error.description });
  const content = <AuthorizeRefused error={error.error} description={error.description} />;
  return page(c, content, PAGE_STATUSES.find((status) => status === error.status) ?? 400);
}

const PAGE_STATUSES: readonly PageStatus[] = [400, 403, 404, 409, 429, 503];

/** What comes to nothing after the human named themselves: caps are for the human, refusals for the client. */
function reportedRefusal(c: Handling, { codeFlow, request }: JudgedAuthorization, error: WireError): Response {
  const isForClient = error.error === "access_denied" || error.status === 400;
  return refusal(c, isForClient ? { error, redirectUri: codeFlow.redirect_uri, state: request.state } : { error });
}

async function readOwnForm(c: Handling): Promise<Result<Form, WireError>> {
  return isSameOrigin(c) ? readForm(c.req.raw) : err(FORBIDDEN);
}

const FORBIDDEN: WireError = {
  status: 403,
  error: "access_denied",
  description: "This did not come from the page in this browser. Cookies have to be allowed.",
};
const UNKNOWN_CLIENT: WireError = {
  status: 400,
  error: "invalid_client",
  description: "The client is neither registered here nor known by a metadata document that could be read.",
};
const REQUEST_URI_NOT_SUPPORTED: WireError = {
  status: 400,
  error: "request_uri_not_supported",
  description: "A request_uri is one that this server gave out at /oauth/par; others are never fetched.",
};
const INVALID_REQUEST_URI: WireError = {
  status: 400,
  error: "invalid_request_uri",
  description: "The request_uri is unknown, used, expired, or another client's.",
};
const ALREADY_CONTINUED: WireError = {
  status: 409,
  error: "invalid_request",
  description: "The program has already fetched its token. You can close this page.",
};

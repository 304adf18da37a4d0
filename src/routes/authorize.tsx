import { Hono } from "hono";
import { newId } from "../crypto/random.ts";
import { handleOf } from "../crypto/session-handle.ts";
import { unitsOf } from "../domain/access.ts";
import { unitLine } from "../domain/facts.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { labelsFor } from "../domain/labels.ts";
import { registrationOf } from "../domain/registration.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import type { CodeProgress } from "../durable/session-commands.ts";
import { AuthorizeBegin } from "../pages/authorize-begin.tsx";
import { readForm, type Form } from "../protocol/body.ts";
import { NO_STORE, type WireError } from "../protocol/wire-error.ts";
import { narrowingAt } from "../tenancy.ts";
import { redirectTo, refusal, reportedRefusal } from "./authorization-answer.tsx";
import { isSameOrigin, startView, viewDigest } from "./browser-view.ts";
import { readQuery, type BroughtRequest } from "./brought-request.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { sessionObject } from "./objects.ts";
import { page } from "./page.ts";
import { readWaiting, waitPage, type Waiting } from "./waiting-browser.tsx";
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
    const { codeFlow, request } = begun.value.judged;
    const { session_id, request_expires_at } = opened.value;
    return waitPage(
      c,
      {
        sessionId: session_id,
        redirectUri: codeFlow.redirect_uri,
        state: request.state,
        until: request_expires_at,
      },
      view,
    );
  })
  .post("/oauth/authorize/continue", async (c) => {
    const form = await readOwnForm(c);
    if (!form.ok) return refusal(c, { error: form.error });
    const read = readWaiting(c, form.value);
    if (read === undefined) return refusal(c, { error: FORBIDDEN });
    const { waiting, view } = read;
    const session = sessionObject(c.env, c.var.tenant.issuer, waiting.sessionId);
    const isOver = nowSeconds() >= waiting.until;
    // The script only looks; what it then submits is this form.
    if (c.req.header("accept") === "application/json")
      return c.json({ decided: isOver || (await session.isDecided(viewDigest(view))) }, 200, NO_STORE);
    const progress = await session.takeCode(viewDigest(view));
    if (progress?.kind === "decided") return goOn(c, waiting, progress);
    return isOver ? redirectBack(c, waiting, NOBODY_DECIDED) : waitPage(c, waiting, view);
  });

/**
 * Opens the session and has its link sent, if this person may decide. If not, the browser is told the
 * same and waits for nothing: a stranger learns neither who works here nor who may decide what.
 */
async function open(
  c: Handling,
  { client, judged, oneTime }: BroughtRequest,
  person: string,
  view: string,
): Promise<Result<Pick<RequestedSession, "session_id" | "request_expires_at">, SessionAskFault>> {
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
    browser: { digest: viewDigest(view) },
  });
  if (opened.ok || opened.error.kind !== "refused" || opened.error.fault.reason !== "unknown_approver") return opened;
  return ok({
    session_id: newId(ID_PREFIXES.session),
    request_expires_at: nowSeconds() + REQUEST_LIFETIME_SECONDS,
  });
}

/** Back to the client: with a code where it was approved, else with what became of it. */
function goOn(
  c: Handling,
  waiting: Waiting,
  { approved, description: { state } }: Extract<CodeProgress, { kind: "decided" }>,
): Response {
  const { root, issuer } = c.var.tenant;
  if (approved) return redirectBack(c, waiting, { code: handleOf(root, issuer, "code", waiting.sessionId) });
  if (state.status === "active") return refusal(c, { error: ALREADY_CONTINUED });
  const denied = state.status === "ended" && state.how === "denied";
  return redirectBack(c, waiting, denied ? DENIED : NOBODY_DECIDED);
}

function redirectBack(
  c: Handling,
  { redirectUri, state }: Waiting,
  parameters: Readonly<Record<string, string>>,
): Response {
  return redirectTo(c, redirectUri, state, parameters);
}

const DENIED = { error: "access_denied", error_description: "the request was denied" };
const NOBODY_DECIDED = {
  error: "access_denied",
  error_description: "nobody decided in time, or the session has ended",
};

async function readOwnForm(c: Handling): Promise<Result<Form, WireError>> {
  return isSameOrigin(c) ? readForm(c.req.raw) : err(FORBIDDEN);
}

const FORBIDDEN: WireError = {
  status: 403,
  error: "access_denied",
  description: "This did not come from the page in this browser. Cookies have to be allowed.",
};
const ALREADY_CONTINUED: WireError = {
  status: 409,
  error: "invalid_request",
  description: "The program has already fetched its token. You can close this page.",
};

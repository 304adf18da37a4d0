import { Hono } from "hono";
import { isSessionId } from "../domain/ids.ts";
import { leftUntil } from "../domain/cut-off.ts";
import { absenceAt } from "../domain/absence.ts";
import { unitsOf } from "../domain/access.ts";
import { mayReview, type GlassUse } from "../domain/break-glass.ts";
import type { SessionState } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { linkables } from "../domain/linked-account.ts";
import { unitLine } from "../domain/facts.ts";
import { Inbox, type InboxItem } from "../pages/inbox.tsx";
import { Onward } from "../pages/onward.tsx";
import { readForm, type Form } from "../protocol/body.ts";
import { outcome } from "./approval-visit.tsx";
import { checkView, csrfToken, isSameOrigin, startView } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject, sessionObject, tenantObject } from "./objects.ts";
import { page } from "./page.ts";
import { signInPage } from "./sign-in.tsx";
import { signedInAs, type SignedIn } from "./signed-in.ts";

/** Requests and sessions that one page shows; the rest come as these are decided. */
const MAX_SHOWN = 30;

/**
 * What waits for the person who is signed in. Nothing is decided here: each request leads to its own
 * approval page, by the same link that was sent, and is judged there like any other visit.
 */
export const inbox = new Hono<App>()
  .get("/inbox", (c) => page(c, <Onward heading="Your inbox" action="/inbox/view" />))
  .post("/inbox/view", async (c) => {
    if (!isSameOrigin(c)) return outcome(c, { kind: "forbidden" });
    const signedIn = await signedInAs(c);
    return signedIn === undefined ? signInPage(c, "inbox") : inboxPage(c, signedIn);
  })
  .post("/inbox/open", async (c) => {
    const form = await readForm(c.req.raw);
    const signedIn = form.ok && isSameOrigin(c) ? await signedInAs(c) : undefined;
    if (!form.ok || signedIn === undefined) return outcome(c, { kind: "forbidden" });
    if (checkView(c, form.value.get("csrf"), signedIn.digest) === undefined) return outcome(c, { kind: "forbidden" });
    return openSession(c, signedIn, form.value);
  });

async function openSession(c: Handling, { person }: SignedIn, form: Form): Promise<Response> {
  const sessionId = form.get("session") ?? "";
  const link = isSessionId(sessionId)
    ? await sessionObject(c.env, c.var.tenant.issuer, sessionId).link(person.id)
    : undefined;
  if (link === undefined) return outcome(c, { kind: "invalid_link" });
  const action = link.waits ? "/approve/view" : "/approve/watch";
  return page(c, <Onward heading="Opening it" action={action} fields={{ token: link.token }} />);
}

async function inboxPage(c: Handling, { person, signIn, digest }: SignedIn): Promise<Response> {
  const { issuer, tenant } = c.var.tenant;
  const [waiting, working, uses] = await Promise.all([
    personObject(c.env, issuer, person.id).waiting(),
    tenantObject(c.env, issuer).activeSessionsOf(person.id),
    tenantObject(c.env, issuer).glassUses(),
  ]);
  const open = uses.filter((use) => use.reviewed_at === null && use.person !== person.id);
  const [requests, sessions, reviews] = await Promise.all([
    Promise.all(waiting.slice(0, MAX_SHOWN).map((id) => itemOf(c, id, person.id, "pending"))),
    Promise.all(working.slice(0, MAX_SHOWN).map((id) => itemOf(c, id, person.id, "active"))),
    Promise.all(open.slice(0, MAX_SHOWN).map((use) => reviewOf(c, use, person.id))),
  ]);
  return page(
    c,
    <Inbox
      personName={person.name}
      csrf={csrfToken(c, startView(c), digest)}
      waiting={requests.filter((item) => item !== undefined)}
      working={sessions.filter((item) => item !== undefined)}
      reviews={reviews.filter((item) => item !== undefined)}
      hidden={Math.max(0, waiting.length - MAX_SHOWN)}
      hasAccounts={linkables(tenant).length > 0}
      decides={signIn.roles.includes("approver")}
      awayUntil={absenceAt(tenant.absences, person.id, nowSeconds())?.until}
    />,
  );
}

/** A use of broken glass that this person was asked about and may review, now that its session is over. */
async function reviewOf(c: Handling, use: GlassUse, personId: string): Promise<InboxItem | undefined> {
  const viewed = await sessionObject(c.env, c.var.tenant.issuer, use.session_id).view(personId);
  if (!viewed.ok || !mayReview(c.var.tenant.tenant, personId, viewed.value.state.request)) return undefined;
  if (isPredecessors(c, personId, viewed.value)) return undefined;
  const item = itemFrom(use.session_id, viewed.value, "ended");
  return item === undefined ? undefined : { ...item, until: use.review_by };
}

/** A session as its list has it, if it still is what the list says. */
async function itemOf(
  c: Handling,
  sessionId: string,
  personId: string,
  status: "pending" | "active",
): Promise<InboxItem | undefined> {
  const viewed = await sessionObject(c.env, c.var.tenant.issuer, sessionId).view(personId);
  return viewed.ok && !isPredecessors(c, personId, viewed.value)
    ? itemFrom(sessionId, viewed.value, status)
    : undefined;
}

/** Whether it was asked of somebody who had this id before, and left. */
function isPredecessors(c: Handling, personId: string, { state }: SessionDescription): boolean {
  return state.request.requested_at <= leftUntil(c.var.tenant.cutOffs, personId);
}

function itemFrom(
  sessionId: string,
  { state, setting }: SessionDescription,
  status: SessionState["status"],
): InboxItem | undefined {
  if (state.status !== status) return undefined;
  const { labels } = setting;
  const granted = state.status === "pending" ? undefined : state.grant;
  const details = (granted ?? state.request).authorization_details;
  return {
    sessionId,
    agentName: labels.agent_name,
    lines: details.flatMap(unitsOf).map((unit) => unitLine(unit, labels)),
    task: state.request.task.title,
    until: state.status === "active" ? state.grant.expires_at : state.request_expires_at,
  };
}

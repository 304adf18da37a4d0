import { Hono } from "hono";
import type { Child } from "hono/jsx";
import { narrow, unitsOf } from "../domain/access.ts";
import { cleanAgentText, COMMENT_LIMITS } from "../domain/agent-text.ts";
import { canonicalJson, type Json } from "../domain/canonical-json.ts";
import { formatDuration } from "../domain/duration.ts";
import { factsOf, unitLine, type Labels } from "../domain/facts.ts";
import { MIN_SESSION_SECONDS, type Narrowing } from "../domain/grant.ts";
import { mayDecideNow, meets } from "../domain/policy.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { DecideFault, Decider, SessionState } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { ApproveOutcome, type ApproveOutcomeProps } from "../pages/approve-outcome.tsx";
import { ApproveReview } from "../pages/approve-review.tsx";
import { ApproveView, type Obstacle } from "../pages/approve-view.tsx";
import { Shell } from "../pages/shell.tsx";
import type { UnitLine } from "../pages/units.tsx";
import { verifyApprovalLink, type ApprovalLink } from "../protocol/approval-link.ts";
import { readAuthorizationDetails } from "../protocol/authorization-details.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { checkView, csrfToken, isSameOrigin, startView, viewDigest, viewOf } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject, sessionObject } from "./objects.ts";
import { challengeFor, provePasskey, usablePasskeys, type Signing } from "./passkey-decision.ts";
import { page } from "./page.ts";

/** What an approver may choose from when making a session shorter, in seconds. */
const DURATIONS = [300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600];

/**
 * The approval page. GET shows an empty shell to whoever asks; everything else is a form post that
 * brings the signed token in its body. A decision also needs the cookie and the matching token of a
 * view in the same browser, so that neither another site nor a scanner's replay can make one.
 */
export const approvePages = new Hono<App>()
  .get("/approve", (c) => page(c, <Shell title="Approval" heading="Approval request" action="/approve/view" />))
  .post("/approve/view", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    const csrf = csrfToken(c, startView(c), entered.value.link.jti);
    return page(c, view(entered.value, csrf, await obstacleOf(c, entered.value)));
  })
  .post("/approve/review", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    const { form, decider, link, session, description } = entered.value;
    const csrf = checkLinkView(c, entered.value);
    if (csrf === undefined) return outcome(c, { kind: "forbidden" });
    if (isElsewhere(c, description)) return outcome(c, { kind: "other_browser" });
    const narrowing = readNarrowing(form, description, nowSeconds());
    if (narrowing.authorization_details.length === 0)
      return outcome(c, { kind: "nothing_left", token: form.get("token") ?? "" });
    const drafted = await session.draft(decider, narrowing);
    if (!drafted.ok) return outcome(c, faultOutcome(drafted.error));
    const { grant, digest } = drafted.value;
    const { labels, match_code } = description.setting;
    return page(
      c,
      <ApproveReview
        facts={factsOf(description.state.request, labels, match_code, grant.authorization_details)}
        lines={linesOf(grant.authorization_details.flatMap(unitsOf), labels)}
        expiresAt={grant.expires_at}
        grantJson={canonicalJson({ authorization_details: grant.authorization_details, expires_at: grant.expires_at })}
        digest={digest}
        requestDigest={link.request_digest}
        token={form.get("token") ?? ""}
        csrf={csrf}
        approverName={entered.value.approverName}
        byPasskey={needsPasskey(description)}
        comment={decider.comment ?? ""}
      />,
    );
  })
  .post("/approve/challenge", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    if (checkLinkView(c, entered.value) === undefined) return outcome(c, { kind: "forbidden" });
    return c.json(await challengeFor(c, signingOf(entered.value)), 200, NO_STORE);
  })
  .post("/approve/decide", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    const { form, decider, session, description } = entered.value;
    if (checkLinkView(c, entered.value) === undefined) return outcome(c, { kind: "forbidden" });
    const digest = form.get("digest") ?? "";
    if (form.get("decision") === "deny") {
      const denied = await session.deny(decider, digest);
      if (!denied.ok) return outcome(c, faultOutcome(denied.error));
      return outcome(c, { kind: "denied", agentName: description.setting.labels.agent_name });
    }
    if (form.get("decision") !== "approve") return outcome(c, { kind: "forbidden" });
    if (isElsewhere(c, description)) {
      await session.refuse("other_browser", { person: decider.person });
      return outcome(c, { kind: "other_browser" });
    }
    const seen = readGrant(form.get("grant") ?? "");
    if (seen === undefined) return outcome(c, { kind: "changed" });
    const proven = await prove(c, entered.value);
    if (!proven.ok) {
      await session.refuse("passkey_not_signed", { person: decider.person });
      return outcome(c, { kind: "not_signed", token: form.get("token") ?? "" });
    }
    const approved = await session.approve(proven.value, { ...seen, digest });
    if (!approved.ok) return outcome(c, faultOutcome(approved.error));
    const { grant } = approved.value;
    const { labels } = description.setting;
    return outcome(c, {
      kind: "approved",
      lines: linesOf(grant.authorization_details.flatMap(unitsOf), labels),
      expiresAt: grant.expires_at,
      agentName: labels.agent_name,
      returnsTo: returnHost(description),
    });
  });

/** A visitor whose link holds, and the session it is about. */
interface Entered {
  readonly form: Form;
  readonly link: ApprovalLink;
  readonly decider: Decider;
  readonly approverName: string;
  readonly session: ReturnType<typeof sessionObject>;
  readonly description: SessionDescription;
}

/** The checks that every post shares: it comes from our own page, with a link that holds, about a request that can still be decided. */
async function enter(c: Handling): Promise<Result<Entered, Response>> {
  if (!isSameOrigin(c)) return err(outcome(c, { kind: "forbidden" }));
  const form = await readForm(c.req.raw);
  if (!form.ok) return err(renderError(form.error));
  const link = await verifyApprovalLink(form.value.get("token") ?? "", c.var.tenant, nowSeconds());
  if (!link.ok) return err(outcome(c, { kind: link.error === "expired_link" ? "expired" : "invalid_link" }));
  const { tenant, issuer } = c.var.tenant;
  const session = sessionObject(c.env, issuer, link.value.session_id);
  const viewed = await session.view(link.value.person);
  if (!viewed.ok || viewed.value.state.request_digest !== link.value.request_digest)
    return err(outcome(c, { kind: "invalid_link" }));
  const { state } = viewed.value;
  const decider: Decider = {
    person: link.value.person,
    assurance: "link",
    comment: cleanAgentText(form.value.get("comment") ?? "", COMMENT_LIMITS),
    permitted: mayDecideNow(tenant, link.value.person, state.plan, state.request),
  };
  if (!decider.permitted) return err(outcome(c, { kind: "not_permitted" }));
  if (state.status !== "pending") return err(outcome(c, decidedOutcome(viewed.value.state)));
  const approverName = tenant.people.get(link.value.person)?.name ?? link.value.person;
  return ok({ form: form.value, link: link.value, decider, approverName, session, description: viewed.value });
}

/** The host that the browser's other tab returns to, where one waits. */
function returnHost({ state }: SessionDescription): string | undefined {
  const flow = state.request.code_flow;
  return flow === undefined ? undefined : new URL(flow.redirect_uri).host;
}

/** Whether the link alone is not enough to approve. */
function needsPasskey({ state }: SessionDescription): boolean {
  return !meets("link", state.plan.assurance);
}

/** What the approver has to mend before this can be approved, told before they begin. */
async function obstacleOf(c: Handling, { link, description }: Entered): Promise<Obstacle | undefined> {
  if (isElsewhere(c, description)) return { kind: "other_browser" };
  if (!needsPasskey(description)) return undefined;
  const passkeys = await personObject(c.env, c.var.tenant.issuer, link.person).passkeys();
  if (usablePasskeys(passkeys, nowSeconds()).length > 0) return undefined;
  const [next] = passkeys.map(({ usable_from }) => usable_from).toSorted((a, b) => a - b);
  return next === undefined ? { kind: "no_passkey", person: link.person } : { kind: "passkey_waits", until: next };
}

function signingOf({ form, link }: Entered): Signing {
  return { sessionId: link.session_id, person: link.person, grantDigest: form.get("digest") ?? "" };
}

/** Who decides, as well as it is known: by a passkey's signature over this digest, where the policy asks for that. */
async function prove(c: Handling, entered: Entered): Promise<Result<Decider, "not_signed">> {
  const { decider, description, form } = entered;
  if (!needsPasskey(description)) return ok(decider);
  const evidence = await provePasskey(c, signingOf(entered), form);
  return evidence.ok ? ok({ ...decider, assurance: "passkey", evidence: evidence.value }) : evidence;
}

function view({ form, link, approverName, description }: Entered, csrf: string, obstacle: Obstacle | undefined): Child {
  const { state, setting } = description;
  const { request } = state;
  const longest = request.expires_in;
  const durations = [...DURATIONS.filter((seconds) => seconds < longest), longest];
  return (
    <ApproveView
      facts={factsOf(request, setting.labels, setting.match_code)}
      units={linesOf(request.authorization_details.flatMap(unitsOf), setting.labels)}
      durations={durations.map((seconds) => ({
        seconds,
        label: formatDuration(seconds),
        selected: seconds === longest,
      }))}
      requestDigest={link.request_digest}
      token={form.get("token") ?? ""}
      csrf={csrf}
      requestExpiresAt={state.request_expires_at}
      assurance={state.plan.assurance}
      approverName={approverName}
      matchCode={setting.match_code}
      obstacle={obstacle}
    />
  );
}

/** What is left of the request: the units whose boxes are ticked, for the time that was chosen. */
function readNarrowing(form: Form, { state }: SessionDescription, now: number): Narrowing {
  const { authorization_details, expires_in } = state.request;
  const ticked = new Set([...form].filter(([name]) => name.startsWith("unit.")).map(([, unit]) => unit));
  const chosen = Number(form.get("expires_in") ?? expires_in);
  const seconds = Number.isSafeInteger(chosen)
    ? Math.min(Math.max(chosen, MIN_SESSION_SECONDS), expires_in)
    : expires_in;
  return {
    authorization_details: narrow(authorization_details, (unit) => ticked.has(unit)),
    expires_at: now + seconds,
  };
}

/** The grant as the review page carried it. Whether it is within the request, and has its digest, the session checks again. */
function readGrant(text: string): Narrowing | undefined {
  const parsed = parseStrictJson(text);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const { authorization_details, expires_at } = parsed.value as Record<string, Json>;
  const details = readAuthorizationDetails(authorization_details);
  if (!details.ok || typeof expires_at !== "number" || !Number.isSafeInteger(expires_at)) return undefined;
  return { authorization_details: details.value, expires_at };
}

/** What may be done, what writes first. */
function linesOf(units: readonly string[], labels: Labels): UnitLine[] {
  const lines = units.map((unit) => {
    const { access, enforced_by } = labels.units[unit] ?? { access: "write" as const, enforced_by: "proxy" as const };
    return { unit, line: unitLine(unit, labels), access, enforcedBy: enforced_by };
  });
  return [...lines.filter(({ access }) => access === "write"), ...lines.filter(({ access }) => access === "read")];
}

/** The CSRF token of this browser's view of this link, if the form brought it. */
function checkLinkView(c: Handling, { form, link }: Entered): string | undefined {
  const csrf = form.get("csrf");
  return checkView(c, csrf, link.jti) === undefined ? undefined : csrf;
}

/**
 * Whether this browser may approve: one that began an authorization request has to be the one in
 * which its human opens the link, or a stranger could begin it and let somebody else approve.
 */
function isElsewhere(c: Handling, { setting }: SessionDescription): boolean {
  const view = viewOf(c);
  return setting.browser !== undefined && (view === undefined || setting.browser.digest !== viewDigest(view));
}

function faultOutcome(fault: DecideFault): ApproveOutcomeProps {
  switch (fault.reason) {
    case "already_decided":
      return decidedOutcome(fault.state);
    case "request_expired":
      return { kind: "expired" };
    case "not_an_approver":
    case "assurance_too_low":
      return { kind: "not_permitted" };
    case "digest_mismatch":
    case "ends_too_late":
    case "ends_too_early":
    case "wider_than_requested":
    case "nothing_granted":
      return { kind: "changed" };
  }
}

function decidedOutcome(state: SessionState): ApproveOutcomeProps {
  if (state.status === "pending") return { kind: "expired" };
  if (state.decision === undefined)
    return state.status === "ended" && state.how === "expired"
      ? { kind: "expired" }
      : { kind: "already_decided", verdict: "ended" };
  const { verdict, person, decided_at } = state.decision;
  return { kind: "already_decided", verdict, decidedBy: person, decidedAt: decided_at };
}

const OUTCOME_STATUS = {
  approved: 200,
  denied: 200,
  already_decided: 409,
  expired: 410,
  invalid_link: 404,
  not_permitted: 403,
  changed: 409,
  nothing_left: 400,
  forbidden: 403,
  other_browser: 403,
  not_signed: 403,
} as const;

function outcome(c: Handling, props: ApproveOutcomeProps): Response {
  return page(c, <ApproveOutcome {...props} />, OUTCOME_STATUS[props.kind]);
}

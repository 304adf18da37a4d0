import { Hono } from "hono";
import type { Child } from "hono/jsx";
import { limit, limitsOf, narrow, placesOf, unitsOf, type AccessDetail } from "../domain/access.ts";
import { digestOf, equalsConstantTime } from "../crypto/hash.ts";
import { canonicalJson, type Json } from "../domain/canonical-json.ts";
import { approverCutOffUntil } from "../domain/cut-off.ts";
import { isCounted } from "../domain/counted.ts";
import type { CompiledTenant } from "../domain/compiled-tenant.ts";
import { formatDuration } from "../domain/duration.ts";
import { factsOf, unitsAdded } from "../domain/facts.ts";
import { MIN_SESSION_SECONDS, type Grant, type Narrowing } from "../domain/grant.ts";
import { meets } from "../domain/demand.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { hasSigned, type Decider, type SessionState } from "../domain/session.ts";
import type { SessionRequest } from "../domain/request.ts";
import { usageLines, withUsage } from "../domain/usage-lines.ts";
import { involvesPasskey, involvesSso, type Assurance } from "../domain/tenant.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { ApproveReview } from "../pages/approve-review.tsx";
import { ApproveView, type Obstacle } from "../pages/approve-view.tsx";
import { Shell } from "../pages/shell.tsx";
import { grantedDetailsSchema, readAuthorizationDetails } from "../protocol/authorization-details.ts";
import { NO_STORE } from "../protocol/wire-error.ts";
import { signOnOrigin } from "../single-sign-on.ts";
import { checkLinkView, enter, faultOutcome, linesOf, outcome, type Entered } from "./approval-visit.tsx";
import { csrfToken, startView, viewDigest, viewOf } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { readLimits } from "./limit-form.ts";
import { personObject, sessionObject, tenantObject } from "./objects.ts";
import { page } from "./page.ts";
import { challengeFor, provePasskey, usablePasskeys, type Signing } from "./passkey-decision.ts";

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
    // What somebody else has signed already can only be signed as it is.
    const { state } = entered.value.description;
    if (state.status === "pending" && state.proposal !== undefined && entered.value.decider.break_glass !== true) {
      return hasSigned(state.proposal, entered.value.decider)
        ? outcome(c, { kind: "counted", missing: undefined })
        : await reviewPage(c, entered.value, state.proposal.grant, csrf);
    }
    return viewPage(c, entered.value, csrf);
  })
  .post("/approve/review", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    const { form, decider, session, description } = entered.value;
    const csrf = checkLinkView(c, entered.value);
    if (csrf === undefined) return outcome(c, { kind: "forbidden" });
    if (isElsewhere(c, description)) return outcome(c, { kind: "other_browser" });
    if (!isCodeRight(entered.value)) return outcome(c, { kind: "wrong_code", token: form.get("token") ?? "" });
    const narrowing = readNarrowing(entered.value, nowSeconds());
    if (unitsAdded(description.state.request, narrowing.authorization_details).length === 0)
      return outcome(c, { kind: "nothing_left", token: form.get("token") ?? "" });
    const drafted = await session.draft(decider, narrowing);
    if (!drafted.ok) return outcome(c, faultOutcome(drafted.error));
    return reviewPage(c, entered.value, drafted.value.grant, csrf);
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
    if (!isCodeRight(entered.value)) return outcome(c, { kind: "wrong_code", token: form.get("token") ?? "" });
    if (await isJustCutOff(c, decider)) return outcome(c, { kind: "just_cut_off", token: form.get("token") ?? "" });
    const seen = readGrant(form.get("grant") ?? "");
    if (seen === undefined) return outcome(c, { kind: "changed" });
    const proven = await prove(c, entered.value);
    if (!proven.ok) {
      const reason = proven.error === "not_signed" ? "passkey_not_signed" : "not_signed_in";
      await session.refuse(reason, { person: decider.person });
      return outcome(c, { kind: proven.error, token: form.get("token") ?? "" });
    }
    const approved = await session.approve(proven.value, { ...seen, digest });
    if (!approved.ok) return outcome(c, faultOutcome(approved.error));
    if (approved.value.status === "pending") {
      const given = approved.value.proposal?.approvals.length ?? 0;
      return outcome(c, { kind: "counted", missing: (decider.quorum ?? 1) - given });
    }
    const { grant } = approved.value;
    const { labels } = description.setting;
    return outcome(c, {
      kind: "approved",
      lines: linesOf(grant.authorization_details.flatMap(unitsOf), labels),
      expiresAt: grant.expires_at,
      agentName: labels.agent_name,
      returnsTo: returnHost(description),
      token: grant.extends === undefined ? (form.get("token") ?? "") : undefined,
    });
  });

/** The grant as it would be, or as somebody has signed it already, to be signed or denied. */
async function reviewPage(
  c: Handling,
  { form, link, description, decider, approverName }: Entered,
  grant: Grant,
  csrf: string,
): Promise<Response> {
  const { labels, match_code } = description.setting;
  const { state } = description;
  const { authorization_details } = grant;
  const facts = factsOf(state.request, labels, asksForCode(state) ? undefined : match_code, authorization_details);
  return page(
    c,
    <ApproveReview
      facts={withUsage(facts, await usedSoFar(c, state.request, authorization_details))}
      lines={linesOf(unitsAdded(state.request, grant.authorization_details), labels)}
      expiresAt={grant.expires_at}
      grantJson={canonicalJson({ authorization_details: grant.authorization_details, expires_at: grant.expires_at })}
      digest={digestOf(grant)}
      requestDigest={link.request_digest}
      token={form.get("token") ?? ""}
      csrf={csrf}
      approverName={approverName}
      role={{ ...decider, broken: state.broken }}
      byPasskey={needsPasskey(decider)}
      comment={decider.comment ?? ""}
      typedCode={asksForCode(state) ? (form.get("match_code") ?? "") : undefined}
      approvedBy={signersOf(state, decider)}
      quorum={decider.quorum ?? 1}
    />,
  );
}

/** What the session that this comes on top of has used of its limits. */
async function usedSoFar(
  c: Handling,
  { issuer, extends: base }: SessionRequest,
  details: readonly AccessDetail[],
): Promise<string[]> {
  if (base === undefined) return [];
  const session = await sessionObject(c.env, issuer, base.session_id).inspect();
  return usageLines(details, session?.usage.upstreams ?? []);
}

/** Who has signed this grant already; whoever decides alone makes one of their own. */
function signersOf(state: SessionState, { break_glass }: Decider): string[] {
  if (state.status !== "pending" || break_glass === true) return [];
  return state.proposal?.approvals.map(({ person }) => person) ?? [];
}

/** The host that the browser's other tab returns to, where one waits. */
function returnHost({ state }: SessionDescription): string | undefined {
  const flow = state.request.code_flow;
  return flow === undefined ? undefined : new URL(flow.redirect_uri).host;
}

/** Whether the approver has to type the match code, and is not told it. */
function asksForCode({ plan }: SessionState): boolean {
  return plan.enter_match_code === true;
}

/** Whether the code that the agent shows was typed, where that is asked for; as people type, in any case, with or without the dash. */
function isCodeRight({ form, description }: Entered): boolean {
  const { state, setting } = description;
  const letters = (code: string): string => code.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
  return !asksForCode(state) || equalsConstantTime(letters(form.get("match_code") ?? ""), letters(setting.match_code));
}

/** How well whoever decides has to be known. */
function demandedOf({ demanded }: Decider): Assurance {
  return demanded ?? "passkey";
}

/** Whether all that they approved was cut off in this very second: what they approve in it would be born dead. */
async function isJustCutOff(c: Handling, { person }: Decider): Promise<boolean> {
  const cutOffs = await tenantObject(c.env, c.var.tenant.issuer).cutOffs();
  return nowSeconds() <= approverCutOffUntil(cutOffs, person);
}

/** Whether a passkey has to sign, besides whatever else says who is there. */
function needsPasskey(decider: Decider): boolean {
  return involvesPasskey(demandedOf(decider));
}

/** Whether the identity provider has to have said who is there, and has not. */
function needsSignIn(decider: Decider): boolean {
  return involvesSso(demandedOf(decider)) && decider.sign_in === undefined;
}

/** What the approver has to mend before this can be approved, told before they begin. */
async function obstacleOf(c: Handling, { link, description, decider }: Entered): Promise<Obstacle | undefined> {
  const { sso } = c.var.tenant.tenant.document;
  if (isElsewhere(c, description)) return { kind: "other_browser" };
  if (needsSignIn(decider)) return { kind: "sign_in", provider: sso === undefined ? "" : new URL(sso.issuer).host };
  if (!needsPasskey(decider)) return undefined;
  const passkeys = await personObject(c.env, c.var.tenant.issuer, link.person).passkeys();
  if (usablePasskeys(passkeys, nowSeconds()).length > 0) return undefined;
  const [next] = passkeys.map(({ usable_from }) => usable_from).toSorted((a, b) => a - b);
  return next === undefined ? { kind: "no_passkey", person: link.person } : { kind: "passkey_waits", until: next };
}

function signingOf({ form, link }: Entered): Signing {
  return { sessionId: link.session_id, person: link.person, grantDigest: form.get("digest") ?? "" };
}

/** Who decides, as well as it is known: by a passkey's signature over this digest, where the policy asks for that. */
async function prove(c: Handling, entered: Entered): Promise<Result<Decider, "not_signed" | "not_signed_in">> {
  const { decider, form } = entered;
  if (needsSignIn(decider)) return err("not_signed_in");
  if (!needsPasskey(decider)) return ok(decider);
  const evidence = await provePasskey(c, signingOf(entered), form);
  if (!evidence.ok) return evidence;
  const assurance = decider.sign_in === undefined ? "passkey" : "sso+passkey";
  return ok({ ...decider, assurance, evidence: evidence.value });
}

/** The request, and what keeps this visitor from approving it, if anything does. */
async function viewPage(c: Handling, entered: Entered, csrf: string): Promise<Response> {
  const obstacle = await obstacleOf(c, entered);
  const { sso } = c.var.tenant.tenant.document;
  const leadsTo =
    obstacle?.kind === "sign_in" && sso !== undefined ? await signOnOrigin(c.env, c.var.tenant, sso) : undefined;
  const { request } = entered.description.state;
  const used = await usedSoFar(c, request, request.authorization_details);
  return page(c, view(c.var.tenant.tenant, entered, csrf, obstacle, used), 200, leadsTo);
}

function view(
  tenant: CompiledTenant,
  { form, link, approverName, description, decider }: Entered,
  csrf: string,
  obstacle: Obstacle | undefined,
  used: readonly string[],
): Child {
  const { state, setting } = description;
  const { request } = state;
  const longest = longestSeconds(decider, state);
  // What comes on top of a session ends with it.
  const shorter = request.extends === undefined ? DURATIONS.filter((seconds) => seconds < longest) : [];
  const durations = [...shorter, longest];
  return (
    <ApproveView
      facts={withUsage(factsOf(request, setting.labels, asksForCode(state) ? undefined : setting.match_code), used)}
      units={linesOf(unitsAdded(request, request.authorization_details), setting.labels)}
      limits={placesOf(request.authorization_details)
        .filter((place) => isCounted(tenant, place, request.code_flow?.resource))
        .map((place) => ({ place, limits: limitsOf(request.authorization_details, place) }))}
      durations={durations.map((seconds) => ({
        seconds,
        label: formatDuration(seconds),
        selected: seconds === longest,
      }))}
      requestDigest={link.request_digest}
      token={form.get("token") ?? ""}
      csrf={csrf}
      requestExpiresAt={state.request_expires_at}
      byLinkAlone={meets("link", demandedOf(decider))}
      approverName={approverName}
      role={{ ...decider, broken: state.broken }}
      matchCode={asksForCode(state) ? undefined : setting.match_code}
      obstacle={obstacle}
    />
  );
}

/** How long this approver can grant it for. */
function longestSeconds({ longest_seconds }: Decider, { request }: SessionState): number {
  return Math.min(request.expires_in, longest_seconds ?? Infinity);
}

/** What is left of the request: the units whose boxes are ticked, within the limits and for the time that were chosen. */
function readNarrowing({ form, decider, description: { state } }: Entered, now: number): Narrowing {
  const { authorization_details, extends: base } = state.request;
  const expires_in = longestSeconds(decider, state);
  const ticked = new Set([...form].filter(([name]) => name.startsWith("unit.")).map(([, unit]) => unit));
  const chosen = Number(form.get("expires_in") ?? expires_in);
  const seconds = Number.isSafeInteger(chosen)
    ? Math.min(Math.max(chosen, MIN_SESSION_SECONDS), expires_in)
    : expires_in;
  const held = new Set(base?.authorization_details.flatMap(unitsOf));
  return {
    authorization_details: limit(
      narrow(authorization_details, (unit) => ticked.has(unit) || held.has(unit)),
      (place) => readLimits(form, place),
    ),
    expires_at: base?.expires_at ?? now + seconds,
  };
}

/** The grant as the review page carried it. Whether it is within the request, and has its digest, the session checks again. */
function readGrant(text: string): Narrowing | undefined {
  const parsed = parseStrictJson(text);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const { authorization_details, expires_at } = parsed.value as Record<string, Json>;
  const details = readAuthorizationDetails(authorization_details, grantedDetailsSchema);
  if (!details.ok || typeof expires_at !== "number" || !Number.isSafeInteger(expires_at)) return undefined;
  return { authorization_details: details.value, expires_at };
}

/**
 * Whether this browser may approve: one that began an authorization request has to be the one in
 * which its human opens the link, or a stranger could begin it and let somebody else approve.
 */
function isElsewhere(c: Handling, { setting }: SessionDescription): boolean {
  const view = viewOf(c);
  return setting.browser !== undefined && (view === undefined || setting.browser.digest !== viewDigest(view));
}

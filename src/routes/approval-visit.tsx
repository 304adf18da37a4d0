import { cleanAgentText, COMMENT_LIMITS } from "../domain/agent-text.ts";
import { unitLine, type Labels } from "../domain/facts.ts";
import { leftUntil } from "../domain/cut-off.ts";
import { deciderTerms } from "../domain/break-glass.ts";
import { lapsedSigners } from "../domain/lapsed-approvals.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { DecideFault, Decider, SessionState } from "../domain/session.ts";
import { approvingIdentity } from "../domain/sign-in.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { ApproveOutcome, type ApproveOutcomeProps } from "../pages/approve-outcome.tsx";
import type { UnitLine } from "../pages/units.tsx";
import { verifyApprovalLink, type ApprovalLink } from "../protocol/approval-link.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { renderError } from "../protocol/wire-error.ts";
import { checkView, isSameOrigin } from "./browser-view.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { sessionObject } from "./objects.ts";
import { outcomePage } from "./page.ts";
import { signedInAs } from "./signed-in.ts";

/** A visitor whose link holds, and the session it is about. */
export interface Entered {
  readonly form: Form;
  readonly link: ApprovalLink;
  readonly decider: Decider;
  readonly approverName: string;
  readonly session: ReturnType<typeof sessionObject>;
  readonly description: SessionDescription;
}

/** The checks that every post shares: it comes from our own page, with a link that holds, about a request that can still be decided. */
export async function enter(c: Handling): Promise<Result<Entered, Response>> {
  const visit = await visitOf(c);
  if (!visit.ok) return visit;
  const { description, decider, link, form } = visit.value;
  const { state } = description;
  if (!decider.permitted) return err(outcome(c, { kind: "not_permitted" }));
  if (state.status !== "pending") return err(outcome(c, decidedOutcome(state, form.get("token"))));
  return link.expired ? err(outcome(c, { kind: "expired" })) : visit;
}

/** The checks without which nobody is shown anything: from our own page, with a link that Stint wrote for this request. */
export async function visitOf(c: Handling): Promise<Result<Entered, Response>> {
  if (!isSameOrigin(c)) return err(outcome(c, { kind: "forbidden" }));
  const form = await readForm(c.req.raw);
  if (!form.ok) return err(renderError(form.error));
  const link = await verifyApprovalLink(form.value.get("token") ?? "", c.var.tenant, nowSeconds());
  if (!link.ok) return err(outcome(c, { kind: "invalid_link" }));
  const { tenant, issuer, cutOffs } = c.var.tenant;
  const session = sessionObject(c.env, issuer, link.value.session_id);
  const viewed = await session.view(link.value.person);
  if (!viewed.ok || viewed.value.state.request_digest !== link.value.request_digest)
    return err(outcome(c, { kind: "invalid_link" }));
  // Neither is a link worth anything to who left, nor one from before to whoever has their id now.
  if (!tenant.people.has(link.value.person) || link.value.issued_at <= leftUntil(cutOffs, link.value.person))
    return err(outcome(c, { kind: "not_permitted" }));
  const { state } = viewed.value;
  const signedIn = await signedInAs(c);
  if (signedIn !== undefined && signedIn.person.id !== link.value.person) {
    await session.refuse("wrong_person", { person: link.value.person, signed_in: signedIn.person.id });
    return err(outcome(c, { kind: "wrong_person", signedIn: signedIn.person.name }));
  }
  const terms = deciderTerms(tenant, link.value.person, state, nowSeconds());
  // Who decides alone does so as an admin: what the provider's groups bear out has to be that role.
  const role = terms.break_glass === true ? "admin" : "approver";
  const identity =
    signedIn === undefined ? undefined : approvingIdentity(signedIn.signIn, role, tenant.document.sso, nowSeconds());
  const decider: Decider = {
    person: link.value.person,
    assurance: identity === undefined ? "link" : "sso",
    sign_in: identity,
    comment: cleanAgentText(form.value.get("comment") ?? "", COMMENT_LIMITS),
    lapsed: lapsedSigners(tenant, cutOffs, state, nowSeconds()),
    ...terms,
  };
  const approverName = tenant.people.get(link.value.person)?.name ?? link.value.person;
  return ok({ form: form.value, link: link.value, decider, approverName, session, description: viewed.value });
}

/** What may be done, what writes first. */
export function linesOf(units: readonly string[], labels: Labels): UnitLine[] {
  const lines = units.map((unit) => {
    const { access, enforced_by } = labels.units[unit] ?? { access: "write" as const, enforced_by: "proxy" as const };
    return { unit, line: unitLine(unit, labels), access, enforcedBy: enforced_by };
  });
  return [...lines.filter(({ access }) => access === "write"), ...lines.filter(({ access }) => access === "read")];
}

/** The CSRF token of this browser's view of this link, if the form brought it. */
export function checkLinkView(c: Handling, { form, link }: Entered): string | undefined {
  const csrf = form.get("csrf");
  return checkView(c, csrf, link.jti) === undefined ? undefined : csrf;
}

export function faultOutcome(fault: DecideFault): ApproveOutcomeProps {
  switch (fault.reason) {
    case "already_decided":
      return decidedOutcome(fault.state);
    case "approved_before":
      return { kind: "counted", missing: undefined };
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

export function decidedOutcome(state: SessionState, token?: string): ApproveOutcomeProps {
  if (state.status === "pending") return { kind: "expired" };
  const isOver = state.status === "ended";
  const watched = token !== undefined && (!isOver || state.broken !== undefined) ? { token, isOver } : {};
  if (state.decision === undefined)
    return isOver && state.how === "expired" && state.broken === undefined
      ? { kind: "expired" }
      : { kind: "already_decided", verdict: "ended", ...watched };
  const { verdict, person, decided_at } = state.decision;
  return { kind: "already_decided", verdict, decidedBy: person, decidedAt: decided_at, ...watched };
}

export const outcome = outcomePage<ApproveOutcomeProps>(ApproveOutcome, {
  approved: 200,
  denied: 200,
  ended: 200,
  reviewed: 200,
  no_comment: 400,
  over: 409,
  counted: 200,
  wrong_code: 400,
  too_many_codes: 403,
  already_decided: 409,
  expired: 410,
  invalid_link: 404,
  not_permitted: 403,
  wrong_person: 403,
  not_signed_in: 403,
  changed: 409,
  nothing_left: 400,
  forbidden: 403,
  other_browser: 403,
  not_signed: 403,
  just_cut_off: 503,
});

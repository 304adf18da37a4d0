import type { Child } from "hono/jsx";
import { limitsOf, placesOf, type AccessDetail } from "../domain/access.ts";
import { digestOf } from "../crypto/hash.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { CompiledTenant } from "../domain/compiled-tenant.ts";
import { isCounted } from "../domain/counted.ts";
import { meets } from "../domain/demand.ts";
import { formatDuration } from "../domain/duration.ts";
import { factsOf, unitsAdded } from "../domain/facts.ts";
import type { Grant } from "../domain/grant.ts";
import type { SessionRequest } from "../domain/request.ts";
import { standingProposal, type Decider, type SessionState } from "../domain/session.ts";
import { usageLines, withUsage } from "../domain/usage-lines.ts";
import { ApproveReview } from "../pages/approve-review.tsx";
import { ApproveView, type Obstacle } from "../pages/approve-view.tsx";
import { signOnOrigin } from "../single-sign-on.ts";
import { linesOf, type Entered } from "./approval-visit.tsx";
import { isElsewhere } from "./browser-view.ts";
import { longestSeconds } from "./chosen-grant.ts";
import { demandedOf, needsPasskey, needsSignIn } from "./decider-proof.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { asksForCode } from "./match-code.ts";
import { sessionObject } from "./objects.ts";
import { page } from "./page.ts";
import { passkeysOf, usablePasskeys } from "./passkey-decision.ts";

/** What an approver may choose from when making a session shorter, in seconds. */
const DURATIONS = [300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600];

/** The request, and what keeps this visitor from approving it, if anything does. */
export async function viewPage(c: Handling, entered: Entered, csrf: string): Promise<Response> {
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

/** What the approver has to mend before this can be approved, told before they begin. */
async function obstacleOf(c: Handling, { link, description, decider }: Entered): Promise<Obstacle | undefined> {
  const { sso } = c.var.tenant.tenant.document;
  if (isElsewhere(c, description)) return { kind: "other_browser" };
  if (needsSignIn(decider)) return { kind: "sign_in", provider: sso === undefined ? "" : new URL(sso.issuer).host };
  if (!needsPasskey(decider)) return undefined;
  const passkeys = await passkeysOf(c, link.person);
  if (usablePasskeys(passkeys, nowSeconds()).length > 0) return undefined;
  const [next] = passkeys.map(({ usable_from }) => usable_from).toSorted((a, b) => a - b);
  return next === undefined ? { kind: "no_passkey", person: link.person } : { kind: "passkey_waits", until: next };
}

/** The grant as it would be, or as somebody has signed it already, to be signed or denied. */
export async function reviewPage(
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

/** Who has signed this grant already. */
function signersOf(state: SessionState, decider: Decider): string[] {
  return standingProposal(state, decider)?.approvals.map(({ person }) => person) ?? [];
}

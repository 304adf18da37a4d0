import { Hono } from "hono";
import { unitsOf } from "../domain/access.ts";
import { approverCutOffUntil } from "../domain/cut-off.ts";
import { unitsAdded } from "../domain/facts.ts";
import { hasSigned, standingProposal, type Decider } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { Shell } from "../pages/shell.tsx";
import { NO_STORE } from "../protocol/wire-error.ts";
import { checkLinkView, enter, faultOutcome, linesOf, outcome } from "./approval-visit.tsx";
import { csrfToken, isElsewhere, startView } from "./browser-view.ts";
import { readGrant, readNarrowing } from "./chosen-grant.ts";
import { prove, signingOf } from "./decider-proof.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { codeFault } from "./match-code.ts";
import { tenantObject } from "./objects.ts";
import { page } from "./page.ts";
import { challengeFor } from "./passkey-decision.ts";
import { reviewPage, viewPage } from "./request-page.tsx";

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
    const { decider, description } = entered.value;
    const proposal = standingProposal(description.state, decider);
    if (proposal === undefined) return viewPage(c, entered.value, csrf);
    return hasSigned(proposal, decider)
      ? outcome(c, { kind: "counted", missing: undefined })
      : reviewPage(c, entered.value, proposal.grant, csrf);
  })
  .post("/approve/review", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return entered.error;
    const { form, decider, session, description } = entered.value;
    const csrf = checkLinkView(c, entered.value);
    if (csrf === undefined) return outcome(c, { kind: "forbidden" });
    if (isElsewhere(c, description)) return outcome(c, { kind: "other_browser" });
    const fault = await codeFault(entered.value);
    if (fault !== undefined) return outcome(c, { kind: fault, token: form.get("token") ?? "" });
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
    const fault = await codeFault(entered.value);
    if (fault !== undefined) return outcome(c, { kind: fault, token: form.get("token") ?? "" });
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

/** The host that the browser's other tab returns to, where one waits. */
function returnHost({ state }: SessionDescription): string | undefined {
  const flow = state.request.code_flow;
  return flow === undefined ? undefined : new URL(flow.redirect_uri).host;
}

/** Whether all that they approved was cut off in this very second: what they approve in it would be born dead. */
async function isJustCutOff(c: Handling, { person }: Decider): Promise<boolean> {
  const cutOffs = await tenantObject(c.env, c.var.tenant.issuer).cutOffs();
  return nowSeconds() <= approverCutOffUntil(cutOffs, person);
}

import { Hono } from "hono";
import { unitsOf } from "../domain/access.ts";
import { cleanAgentText, COMMENT_LIMITS } from "../domain/agent-text.ts";
import { mayReview, type GlassUse } from "../domain/break-glass.ts";
import { GlassReview } from "../pages/glass-review.tsx";
import { checkLinkView, linesOf, outcome, visitOf, type Entered } from "./approval-visit.tsx";
import { csrfToken, startView } from "./browser-view.ts";
import type { App, Handling } from "./http.ts";
import { tenantObject } from "./objects.ts";
import { page } from "./page.ts";

/** Closes the review of a use of broken glass, by somebody who was asked and did not break it. */
export const glassReview = new Hono<App>().post("/approve/reviewed", async (c) => {
  const visit = await visitOf(c);
  if (!visit.ok) return visit.error;
  if (checkLinkView(c, visit.value) === undefined) return outcome(c, { kind: "forbidden" });
  const { form, link, description } = visit.value;
  if ((await openReview(c, visit.value)) === undefined) return outcome(c, { kind: "not_permitted" });
  const comment = cleanAgentText(form.get("comment") ?? "", COMMENT_LIMITS);
  if (comment === "") return outcome(c, { kind: "no_comment", token: form.get("token") ?? "" });
  const tenant = tenantObject(c.env, c.var.tenant.issuer);
  const reviewed = await tenant.reviewGlass(link.session_id, link.person, comment);
  return outcome(c, { kind: reviewed.ok ? "reviewed" : "over", agentName: description.setting.labels.agent_name });
});

/** The use that this visitor may review now that the session is over, if there is one. */
export async function openReview(c: Handling, { link, description }: Entered): Promise<GlassUse | undefined> {
  const { state } = description;
  if (state.status !== "ended" || !mayReview(c.var.tenant.tenant, link.person, state.request)) return undefined;
  const use = await tenantObject(c.env, c.var.tenant.issuer).glassUse(link.session_id);
  return use === undefined || use.reviewed_at !== null || use.person === link.person ? undefined : use;
}

/** What was done with it, and the one button that closes the review. */
export function glassReviewPage(c: Handling, visit: Entered, use: GlassUse): Response {
  const { form, link, description, approverName } = visit;
  const { state, setting, usage } = description;
  const { grant } = state.status === "ended" ? state : {};
  return page(
    c,
    <GlassReview
      use={use}
      agentName={setting.labels.agent_name}
      adminName={c.var.tenant.tenant.people.get(use.person)?.name ?? use.person}
      approverName={approverName}
      lines={linesOf((grant?.authorization_details ?? []).flatMap(unitsOf), setting.labels)}
      calls={usage.calls}
      refusals={usage.refusals}
      token={form.get("token") ?? ""}
      csrf={csrfToken(c, startView(c), link.jti)}
    />,
  );
}

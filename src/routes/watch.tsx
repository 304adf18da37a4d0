import { Hono } from "hono";
import { unitsOf } from "../domain/access.ts";
import { unitLine, type Labels } from "../domain/facts.ts";
import { usageLines } from "../domain/usage-lines.ts";
import type { Activity } from "../durable/session-commands.ts";
import { Watch } from "../pages/watch.tsx";
import { checkLinkView, linesOf, outcome, visitOf, type Entered } from "./approval-visit.tsx";
import { csrfToken, startView } from "./browser-view.ts";
import { glassReviewPage, openReview } from "./glass-review.tsx";
import type { App, Handling } from "./http.ts";
import { page } from "./page.ts";

/** A session at work, for whoever was asked to approve it. To take away never needs a passkey. */
export const watch = new Hono<App>()
  .post("/approve/watch", async (c) => {
    const visit = await visitOf(c);
    return visit.ok ? watchPage(c, visit.value) : visit.error;
  })
  .post("/approve/end", async (c) => {
    const visit = await visitOf(c);
    if (!visit.ok) return visit.error;
    if (checkLinkView(c, visit.value) === undefined) return outcome(c, { kind: "forbidden" });
    const { session, link, description } = visit.value;
    const ended = await session.revoke({ kind: "person", id: link.person }, "ended by an approver");
    return outcome(c, {
      kind: ended === "revoked" ? "ended" : "over",
      agentName: description.setting.labels.agent_name,
    });
  });

async function watchPage(c: Handling, visit: Entered): Promise<Response> {
  const { form, link, session, description, approverName } = visit;
  const { state, setting, usage } = description;
  const review = await openReview(c, visit);
  if (review !== undefined) return glassReviewPage(c, visit, review);
  if (state.status !== "active") return outcome(c, { kind: "over", agentName: setting.labels.agent_name });
  const activity = await session.activity();
  return page(
    c,
    <Watch
      agentName={setting.labels.agent_name}
      approverName={approverName}
      lines={linesOf(state.grant.authorization_details.flatMap(unitsOf), setting.labels)}
      expiresAt={state.grant.expires_at}
      limits={usageLines(state.grant.authorization_details, usage.upstreams)}
      calls={usage.calls}
      refusals={usage.refusals}
      role={{ broken: state.broken }}
      activity={activity.map((event) => ({
        at: event.at,
        text: textOf(event, setting.labels),
        refused: event.type === "refused",
      }))}
      token={form.get("token") ?? ""}
      csrf={csrfToken(c, startView(c), link.jti)}
    />,
  );
}

/** One event in words. Units and audiences are Stint's own; nothing that the agent wrote is in here. */
function textOf({ type, unit, method, audience, server, upstream, reason }: Activity, labels: Labels): string {
  switch (type) {
    case "call.authorized":
      return `${method ?? ""} ${unit === undefined ? "" : unitLine(unit, labels)}`.trim();
    case "token.minted":
      return `A token for ${audience ?? "itself"}`;
    case "token.handed_out":
      return `${upstream ?? ""}'s own token for server ${server ?? ""} (unconstrained)`;
    default:
      return `Refused: ${reason ?? "not allowed"}${unit === undefined ? "" : ` (${unit})`}`;
  }
}

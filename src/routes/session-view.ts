import { limitsOf, placesOf } from "../domain/access.ts";
import { leftOf, NOTHING_USED } from "../domain/limits.ts";
import type { UpstreamUsage } from "../domain/receipt.ts";
import type { SessionState } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";

/** What an agent is told of its own session. */
export function sessionView({ state, leases, usage, receipt }: SessionDescription): Record<string, unknown> {
  const { request } = state;
  return {
    session_id: request.session_id,
    status: state.status,
    ...(state.status === "ended" ? { outcome: state.how, ended_at: state.ended_at } : {}),
    task: { title: request.task.title },
    ...(state.status === "pending"
      ? { request_expires_at: state.request_expires_at }
      : {
          authorization_details: state.grant?.authorization_details,
          expires_at: state.grant?.expires_at,
          grant_digest: state.grant_digest,
        }),
    ...(state.status !== "pending" && state.decision?.comment !== undefined ? { comment: state.decision.comment } : {}),
    ...(state.status === "active" && state.step_up !== undefined ? { step_up: state.step_up } : {}),
    usage: { ...usage, upstreams: accountOf(state, usage.upstreams) },
    leases: leases.map(({ lease_id, upstream, fate }) => ({ lease_id, upstream, ...fate })),
    ...(state.status === "ended" ? { receipt: receipt ?? null } : {}),
  };
}

/** For each upstream and server that was granted: what was used of it, and what is left of its limits. */
function accountOf(state: SessionState, used: readonly UpstreamUsage[]): Record<string, unknown>[] {
  const details = state.status === "pending" ? [] : (state.grant?.authorization_details ?? []);
  return placesOf(details).map((upstream) => {
    const account = used.find((one) => one.upstream === upstream) ?? { upstream, ...NOTHING_USED };
    const limits = limitsOf(details, upstream);
    return { ...account, ...(Object.keys(limits).length === 0 ? {} : { left: leftOf(limits, account) }) };
  });
}

import { limitsOf } from "../domain/access.ts";
import { leftOf } from "../domain/limits.ts";
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
    usage: { ...usage, upstreams: usage.upstreams.map((used) => withLeft(used, state)) },
    leases: leases.map(({ lease_id, upstream, fate }) => ({ lease_id, upstream, ...fate })),
    ...(state.status === "ended" ? { receipt: receipt ?? null } : {}),
  };
}

/** What was used of an upstream, and what is left of its limits. */
function withLeft(used: UpstreamUsage, state: SessionState): Record<string, unknown> {
  const details = state.status === "pending" ? [] : (state.grant?.authorization_details ?? []);
  const limits = limitsOf(details, used.upstream);
  return Object.keys(limits).length === 0 ? { ...used } : { ...used, left: leftOf(limits, used) };
}

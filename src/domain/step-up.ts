import { continues, type AccessDetail } from "./access.ts";
import type { Grant } from "./grant.ts";
import { err, ok, type Result } from "./result.ts";
import { asOf, type ActiveSession, type Decision, type SessionState } from "./session.ts";

/** The session that a request asks more for, and what that session held when it was asked. */
export interface Extends {
  readonly session_id: string;
  readonly grant_digest: string;
  readonly authorization_details: readonly AccessDetail[];
  /** The session's end, epoch seconds. It stays. */
  readonly expires_at: number;
}

/** Where a session's newest request for more stands, for its agent. */
export interface StepUp {
  readonly request_id: string;
  readonly status: "pending" | "approved" | "denied" | "expired" | "withdrawn" | "refused";
  /** Epoch seconds after which it no longer waits. */
  readonly until: number;
  /** What the person who decided says to the agent. */
  readonly comment?: string | undefined;
}

/** A grant, and who decided it. */
export interface Granted {
  readonly grant: Grant;
  readonly grant_digest: string;
  readonly decision: Decision;
  readonly approvals?: readonly Decision[] | undefined;
}

export type StepUpFault = "ended" | "step_up_pending";

/** Notes that a session waits for a decision on more. The same request again changes nothing. */
export function claimStepUp(
  state: SessionState,
  requestId: string,
  until: number,
  now: number,
): Result<ActiveSession, StepUpFault> {
  const current = asOf(state, now);
  if (current.status !== "active") return err("ended");
  const { step_up } = current;
  const isWaiting = step_up?.status === "pending" && now < step_up.until;
  if (isWaiting && step_up.request_id !== requestId) return err("step_up_pending");
  if (step_up?.request_id === requestId) return ok(current);
  return ok({ ...current, step_up: { request_id: requestId, status: "pending", until } });
}

/** Notes how a request for more came out, where it is the one that the session waits for. */
export function settleStepUp(
  state: ActiveSession,
  requestId: string,
  status: StepUp["status"],
  comment: string | undefined,
): ActiveSession {
  const { step_up } = state;
  if (step_up?.request_id !== requestId || step_up.status !== "pending") return state;
  return { ...state, step_up: { ...step_up, status, ...(comment === undefined ? {} : { comment }) } };
}

/**
 * Puts a second approved grant in the place of the first: the same session, agent, key and end, with
 * more in it. Everything is checked again here, because only here it is known that the session still
 * lives and holds what the approver was shown.
 *
 * @param leases those there are, which were made for less
 */
export function extend(
  state: SessionState,
  more: Granted,
  leases: readonly string[],
  now: number,
): Result<ActiveSession, "ended" | "does_not_fit"> {
  const current = asOf(state, now);
  if (current.status !== "active") return err("ended");
  const { grant, grant_digest, decision, approvals } = current;
  const next = more.grant;
  const fits =
    next.extends?.grant_digest === grant_digest &&
    next.session_id === grant.session_id &&
    next.issuer === grant.issuer &&
    next.client_id === grant.client_id &&
    next.sub === grant.sub &&
    // A session asked for in OAuth's words knew its key only when its token was fetched.
    (grant.jkt === undefined || next.jkt === grant.jkt) &&
    next.expires_at === grant.expires_at &&
    continues(next.authorization_details, grant.authorization_details);
  if (!fits) return err("does_not_fit");
  const before: Granted = { grant, grant_digest, decision, ...(approvals === undefined ? {} : { approvals }) };
  const { approvals: _, ...kept } = current;
  return ok({
    ...settleStepUp(kept, next.extends.request_id, "approved", more.decision.comment),
    ...more,
    earlier: [...(current.earlier ?? []), before],
    superseded_leases: [...(current.superseded_leases ?? []), ...leases],
  });
}

/** Everybody who approved any part of what a session holds. */
export function allApprovals({
  decision,
  approvals,
  earlier = [],
}: {
  readonly decision?: Decision | undefined;
  readonly approvals?: readonly Decision[] | undefined;
  readonly earlier?: readonly Granted[] | undefined;
}): readonly Decision[] {
  const last = approvals ?? (decision === undefined ? [] : [decision]);
  return [...earlier.flatMap((granted) => granted.approvals ?? [granted.decision]), ...last];
}

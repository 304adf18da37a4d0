import { continues, isWithin, unitsBeyond, type AccessDetail } from "./access.ts";
import type { CodeFlow, SessionRequest, Task } from "./request.ts";
import { err, ok, type Result } from "./result.ts";

/**
 * What the approver signs: the canonical document (RFC 8785) from which everything later follows.
 * Its SHA-256 stands in every token, in the audit log and in the receipt.
 */
export interface Grant {
  readonly issuer: string;
  readonly session_id: string;
  readonly request_digest: string;
  readonly client_id: string;
  /** Where the agent runs, as the approver read it. */
  readonly agent_trust?: SessionRequest["agent_trust"];
  readonly jkt?: string | undefined;
  readonly code_flow?: CodeFlow | undefined;
  readonly sub: string;
  /** The request that asked for more, and the grant that this one takes the place of. */
  readonly extends?: { readonly request_id: string; readonly grant_digest: string } | undefined;
  readonly task: Task;
  readonly authorization_details: readonly AccessDetail[];
  /** The end of the session, epoch seconds. It never moves later. */
  readonly expires_at: number;
}

/** How an approver may make a request smaller. */
export interface Narrowing {
  readonly authorization_details: readonly AccessDetail[];
  readonly expires_at: number;
}

export type GrantFault = "nothing_granted" | "wider_than_requested" | "ends_too_late" | "ends_too_early";

/** A session shorter than this ends before an agent can use it. */
export const MIN_SESSION_SECONDS = 60;

/**
 * Builds the grant for a narrowing, or says why it is none.
 *
 * @param now epoch seconds
 */
export function makeGrant(
  request: SessionRequest,
  requestDigest: string,
  narrowing: Narrowing,
  now: number,
): Result<Grant, GrantFault> {
  if (narrowing.authorization_details.length === 0) return err("nothing_granted");
  if (!isWithin(narrowing.authorization_details, request.authorization_details)) return err("wider_than_requested");
  if (narrowing.expires_at > now + request.expires_in) return err("ends_too_late");
  if (narrowing.expires_at <= now) return err("ends_too_early");
  const base = request.extends;
  if (base !== undefined) {
    if (narrowing.expires_at > base.expires_at) return err("ends_too_late");
    // What the session has stays as it was approved: this decision is about what comes on top.
    if (narrowing.expires_at < base.expires_at) return err("ends_too_early");
    if (!continues(narrowing.authorization_details, base.authorization_details)) return err("nothing_granted");
    if (unitsBeyond(narrowing.authorization_details, base.authorization_details).length === 0)
      return err("nothing_granted");
  }
  return ok({
    issuer: request.issuer,
    session_id: base?.session_id ?? request.session_id,
    ...(base === undefined ? {} : { extends: { request_id: request.session_id, grant_digest: base.grant_digest } }),
    request_digest: requestDigest,
    client_id: request.client_id,
    ...(request.agent_trust === undefined ? {} : { agent_trust: request.agent_trust }),
    ...(request.jkt === undefined ? {} : { jkt: request.jkt }),
    ...(request.code_flow === undefined ? {} : { code_flow: request.code_flow }),
    sub: request.user ?? request.client_id,
    task: request.task,
    authorization_details: narrowing.authorization_details,
    expires_at: narrowing.expires_at,
  });
}

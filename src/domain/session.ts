import type { PasskeyEvidence } from "./approval-statement.ts";
import type { BreakGlass } from "./break-glass.ts";
import { makeGrant, type Grant, type GrantFault, type Narrowing } from "./grant.ts";
import { highest, meets } from "./demand.ts";
import { ownApproversOf, type ApprovalPlan } from "./policy.ts";
import type { SessionRequest } from "./request.ts";
import type { Granted, StepUp } from "./step-up.ts";
import { err, ok, type Result } from "./result.ts";
import type { VerifiedIdentity } from "./sign-in.ts";
import type { Assurance } from "./tenant.ts";

/** How long a request waits for a human, in seconds. */
export const REQUEST_LIFETIME_SECONDS = 15 * 60;

/** How often an agent may ask whether a human has decided, in seconds. */
export const POLL_INTERVAL_SECONDS = 2;

/** How long an ended session and its receipt are kept, in seconds. */
export const RETENTION_SECONDS = 30 * 24 * 3600;

export type Ending = "completed" | "expired" | "revoked" | "denied" | "withdrawn";

/** Who ended a session, where somebody did. */
export type EndedBy =
  | { readonly kind: "agent"; readonly id: string }
  | { readonly kind: "person"; readonly id: string }
  | { readonly kind: "operator" };

/** A human's decision over a digest. */
export interface Decision {
  readonly verdict: "approved" | "denied";
  readonly person: string;
  /** In whose place that person decided, where not in their own right. */
  readonly on_behalf_of?: string | undefined;
  /** Why that person decided alone, where an admin broke the glass. */
  readonly break_glass?: string | undefined;
  readonly assurance: Assurance;
  /** Digest of the grant that was approved, or of the request that was denied. */
  readonly digest: string;
  /** Epoch seconds. */
  readonly decided_at: number;
  /** The passkey's signature over the digest, where one was made. */
  readonly evidence?: PasskeyEvidence | undefined;
  /** Who the identity provider said it was, where it was asked. */
  readonly sign_in?: VerifiedIdentity | undefined;
  /** What the person says to the agent; no part of what was signed. */
  readonly comment?: string | undefined;
}

interface Opened {
  readonly request: SessionRequest;
  readonly request_digest: string;
  readonly plan: ApprovalPlan;
  /** Epoch seconds after which the request can no longer be decided. */
  readonly request_expires_at: number;
  /** The admin who may decide alone, where one broke the glass. */
  readonly broken?: BreakGlass | undefined;
  /** How often a wrong match code was typed. */
  readonly wrong_codes?: number | undefined;
}

export interface PendingSession extends Opened {
  readonly status: "pending";
  /** The grant that the first of several approvers made, and who has signed it. It cannot change any more. */
  readonly proposal?: Proposal | undefined;
}

export interface Proposal {
  readonly grant: Grant;
  readonly grant_digest: string;
  readonly approvals: readonly Decision[];
}

export interface ActiveSession extends Opened {
  readonly status: "active";
  readonly grant: Grant;
  readonly grant_digest: string;
  /** The decision that made it active. */
  readonly decision: Decision;
  /** Every approval, where the policy demanded more than one. */
  readonly approvals?: readonly Decision[] | undefined;
  /** What was granted before more was, oldest first. */
  readonly earlier?: readonly Granted[] | undefined;
  readonly step_up?: StepUp | undefined;
  /** Leases that were made for less than is granted now. */
  readonly superseded_leases?: readonly string[] | undefined;
  /** When the browser was handed the code to return with, epoch seconds. */
  readonly code_issued_at?: number | undefined;
  /** The first token, which the client can fetch once. Revoking it ends the session. */
  readonly first_token?: { readonly jti: string; readonly minted_at: number } | undefined;
}

export interface EndedSession extends Opened {
  readonly status: "ended";
  readonly how: Ending;
  /** Epoch seconds. */
  readonly ended_at: number;
  readonly ended_by?: EndedBy | undefined;
  readonly reason?: string | undefined;
  readonly grant?: Grant | undefined;
  readonly grant_digest?: string | undefined;
  readonly decision?: Decision | undefined;
  readonly approvals?: readonly Decision[] | undefined;
  readonly earlier?: readonly Granted[] | undefined;
  /** The request for more that was waiting when it ended. */
  readonly waiting_step_up?: string | undefined;
}

/** `pending → active → ended`; there is no way back and no way to make an end later. */
export type SessionState = PendingSession | ActiveSession | EndedSession;

export function openSession(request: SessionRequest, requestDigest: string, plan: ApprovalPlan): PendingSession {
  return {
    status: "pending",
    request,
    request_digest: requestDigest,
    plan,
    request_expires_at: Math.min(
      request.requested_at + REQUEST_LIFETIME_SECONDS,
      request.extends?.expires_at ?? Infinity,
    ),
  };
}

/**
 * The state as it truly is at `now`: a pending or active session whose time is up has ended, whether
 * or not an alarm has written that down. Every decision starts here.
 */
export function asOf(state: SessionState, now: number): SessionState {
  switch (state.status) {
    case "pending":
      return now >= Math.min(state.request_expires_at, state.proposal?.grant.expires_at ?? Infinity)
        ? end(state, "expired", now)
        : state;
    case "active":
      return now >= state.grant.expires_at ? end(state, "expired", state.grant.expires_at) : state;
    case "ended":
      return state;
  }
}

/** When the state will next change by itself, epoch seconds. */
export function nextDeadline(state: SessionState): number | undefined {
  switch (state.status) {
    case "pending":
      return Math.min(state.request_expires_at, state.proposal?.grant.expires_at ?? Infinity);
    case "active":
      return state.grant.expires_at;
    case "ended":
      return undefined;
  }
}

/** Who speaks, as far as the link or sign-in proved it. */
export interface Decider {
  readonly person: string;
  readonly assurance: Assurance;
  /** What proves the assurance, for the record. */
  readonly evidence?: PasskeyEvidence | undefined;
  readonly sign_in?: VerifiedIdentity | undefined;
  readonly comment?: string | undefined;
  /** Where it was decided, if not on a page of Stint's. */
  readonly via?: "slack" | undefined;
  /** In whose place this person decides, where not in their own right. */
  readonly on_behalf_of?: string | undefined;
  /** Whether they decide alone, as the admin who broke the glass. */
  readonly break_glass?: true | undefined;
  /** How long the session may last, where it is less than was asked for. */
  readonly longest_seconds?: number | undefined;
  /** Whether today's policy would still let this person decide. */
  readonly permitted: boolean;
  /** Who approved it before them, and would not be let to now. */
  readonly lapsed?: readonly string[] | undefined;
  /** How many approvals today's policy demands. */
  readonly quorum?: number | undefined;
  /** How well today's policy demands that they are known. */
  readonly demanded?: Assurance | undefined;
}

export type DecideFault =
  | { readonly reason: "already_decided"; readonly state: SessionState }
  | { readonly reason: "request_expired" }
  | { readonly reason: "approved_before" }
  | { readonly reason: "not_an_approver" }
  | { readonly reason: "assurance_too_low"; readonly demanded: Assurance }
  | { readonly reason: "digest_mismatch" }
  | { readonly reason: GrantFault };

export type BreakGlassConflict = "not_pending" | "broken_already";

/** Lets one admin decide a waiting request alone. Asked again by the same one, nothing changes. */
export function breakGlass(
  state: SessionState,
  broken: BreakGlass,
  now: number,
): Result<PendingSession, BreakGlassConflict> {
  const current = asOf(state, now);
  if (current.status !== "pending") return err("not_pending");
  if (current.broken === undefined) return ok({ ...current, broken });
  return current.broken.person === broken.person ? ok(current) : err("broken_already");
}

/**
 * How often a match code is typed wrong, by all approvers of a request together, until it can only be
 * denied: whoever holds a link and not the agent's screen guesses.
 */
const MAX_WRONG_CODES = 10;

/** Takes a match code that was typed; answers what it was, and the state if that changes by it. */
export function typeCode(
  state: SessionState,
  isRight: boolean,
): { readonly typed: TypedCode; readonly state?: PendingSession } {
  if (state.status !== "pending") return { typed: "wrong" };
  const { wrong_codes = 0 } = state;
  if (wrong_codes >= MAX_WRONG_CODES) return { typed: "too_many" };
  if (isRight) return { typed: "right" };
  return { typed: "wrong", state: { ...state, wrong_codes: wrong_codes + 1 } };
}

export type TypedCode = "right" | "wrong" | "too_many";

/** Whether this person was asked, in the role in which they decide. */
function isAsked({ plan, broken }: SessionState, { person, on_behalf_of, break_glass }: Decider): boolean {
  if (break_glass === true) return broken?.person === person;
  return on_behalf_of === undefined
    ? ownApproversOf(plan).includes(person)
    : (plan.stand_ins ?? []).some((standIn) => standIn.person === person && standIn.for === on_behalf_of);
}

/** The grant that others have signed already, without those who would not be let to now; undefined where nobody is left. */
export function standingProposal(state: SessionState, { lapsed = [], break_glass }: Decider): Proposal | undefined {
  // Whoever decides alone makes a grant of their own.
  if (state.status !== "pending" || state.proposal === undefined || break_glass === true) return undefined;
  const approvals = state.proposal.approvals.filter(({ person }) => !lapsed.includes(person));
  return approvals.length === 0 ? undefined : { ...state.proposal, approvals };
}

/** Whether this person has signed already, or somebody in their place, or they in the place of whom they decide for. */
export function hasSigned(
  { approvals }: Proposal,
  { person, on_behalf_of }: Pick<Decider, "person" | "on_behalf_of">,
): boolean {
  const taken = approvals.flatMap((approval) => [approval.person, approval.on_behalf_of]);
  return taken.includes(person) || (on_behalf_of !== undefined && taken.includes(on_behalf_of));
}

function mayDecide(state: SessionState, decider: Decider): Result<PendingSession, DecideFault> {
  if (!isAsked(state, decider) || !decider.permitted) return err({ reason: "not_an_approver" });
  if (state.status === "ended" && state.how === "expired" && state.decision === undefined) {
    return err({ reason: "request_expired" });
  }
  if (state.status !== "pending") return err({ reason: "already_decided", state });
  return ok(state);
}

/** Checks what an approver is about to sign, without deciding anything. */
export function draftGrant(
  state: SessionState,
  decider: Decider,
  narrowing: Narrowing,
  now: number,
): Result<Grant, DecideFault> {
  const pending = mayDecide(asOf(state, now), decider);
  if (!pending.ok) return pending;
  const { request, request_digest } = pending.value;
  const proposal = standingProposal(pending.value, decider);
  if (narrowing.expires_at > now + (decider.longest_seconds ?? Infinity)) return err({ reason: "ends_too_late" });
  if (proposal !== undefined)
    return hasSigned(proposal, decider) ? err({ reason: "approved_before" }) : ok(proposal.grant);
  const grant = makeGrant(request, request_digest, narrowing, now);
  return grant.ok ? grant : err({ reason: grant.error });
}

/**
 * Approves. `digestOf` is SHA-256 over canonical JSON; the grant is built here again from the
 * request, and only if its digest is the one that the approver saw does the session become active.
 * Where several have to approve, the first makes the grant and the others sign that very one; until
 * enough have, the session stays pending.
 */
export function approve(
  state: SessionState,
  decider: Decider,
  seen: Narrowing & { readonly digest: string },
  digestOf: (grant: Grant) => string,
  now: number,
): Result<ActiveSession | PendingSession, DecideFault> {
  const grant = draftGrant(state, decider, seen, now);
  if (!grant.ok) return grant;
  const { plan } = state;
  const alone = decider.break_glass === true;
  const demanded = highest(plan.assurance, decider.demanded ?? plan.assurance, alone ? "passkey" : plan.assurance);
  if (!meets(decider.assurance, demanded)) return err({ reason: "assurance_too_low", demanded });
  const grantDigest = digestOf(grant.value);
  if (grantDigest !== seen.digest) return err({ reason: "digest_mismatch" });
  const opened = openedOf(state);
  const decision: Decision = {
    verdict: "approved",
    ...whoDecides(state, decider),
    assurance: decider.assurance,
    digest: grantDigest,
    decided_at: now,
    ...(decider.evidence === undefined ? {} : { evidence: decider.evidence }),
    ...(decider.sign_in === undefined ? {} : { sign_in: decider.sign_in }),
    ...commentOf(decider),
  };
  const granted = { grant: grant.value, grant_digest: grantDigest };
  const approvals = [...(standingProposal(state, decider)?.approvals ?? []), decision];
  if (!alone && approvals.length < Math.max(plan.quorum ?? 1, decider.quorum ?? 1))
    return ok({ status: "pending", ...opened, proposal: { ...granted, approvals } });
  return ok({ status: "active", ...opened, ...granted, decision, ...(approvals.length === 1 ? {} : { approvals }) });
}

/** Denies. A denial needs no more assurance than the link. */
export function deny(
  state: SessionState,
  decider: Decider,
  digest: string,
  now: number,
): Result<EndedSession, DecideFault> {
  const pending = mayDecide(asOf(state, now), decider);
  if (!pending.ok) return pending;
  if (digest !== pending.value.request_digest) return err({ reason: "digest_mismatch" });
  return ok({
    ...end(pending.value, "denied", now, { kind: "person", id: decider.person }),
    decision: {
      verdict: "denied",
      ...whoDecides(pending.value, decider),
      assurance: decider.assurance,
      digest,
      decided_at: now,
      ...commentOf(decider),
    },
  });
}

function whoDecides(
  { broken }: SessionState,
  { person, on_behalf_of, break_glass }: Decider,
): Pick<Decision, "person" | "on_behalf_of" | "break_glass"> {
  if (break_glass === true) return { person, break_glass: broken?.reason };
  return on_behalf_of === undefined ? { person } : { person, on_behalf_of };
}

function openedOf({ request, request_digest, plan, request_expires_at, broken, wrong_codes }: SessionState): Opened {
  return {
    request,
    request_digest,
    plan,
    request_expires_at,
    ...(broken === undefined ? {} : { broken }),
    ...(wrong_codes === undefined ? {} : { wrong_codes }),
  };
}

function commentOf({ comment }: Decider): { comment?: string } {
  return comment === undefined || comment === "" ? {} : { comment };
}

export type RedeemFault = "pending" | "denied" | "expired" | "already_redeemed" | "ended";

/** Hands the session over to the agent, once, as the token of this id. */
export function redeem(state: SessionState, jti: string, now: number): Result<ActiveSession, RedeemFault> {
  const current = unredeemed(state, now);
  return current.ok ? ok({ ...current.value, first_token: { jti, minted_at: now } }) : current;
}

/** How long a code is good, in seconds. RFC 6749 §4.1.2 allows ten minutes; a client needs a moment. */
export const CODE_LIFETIME_SECONDS = 60;

/** Hands out the code of an approved session. Asked again it is the same code, and no longer good. */
export function issueCode(state: SessionState, now: number): Result<ActiveSession, RedeemFault> {
  const current = unredeemed(state, now);
  if (!current.ok) return current;
  return ok({ ...current.value, code_issued_at: current.value.code_issued_at ?? now });
}

/** What a client brings to redeem a code, RFC 6749 §4.1.3 and RFC 7636 §4.5. */
export interface PresentedCode {
  readonly client_id: string;
  /** Digest of its metadata document of today. */
  readonly client_document: string | undefined;
  readonly redirect_uri: string | undefined;
  /** SHA-256 of the verifier. */
  readonly challenge: string;
}

/** Whether it is the client to which the code was issued that presents it. */
export function fitsCode({ request }: SessionState, presented: PresentedCode): boolean {
  const flow = request.code_flow;
  if (flow === undefined || !isSameClient(request, presented)) return false;
  return flow.redirect_uri === presented.redirect_uri && flow.code_challenge === presented.challenge;
}

/** Whether a client is the one that asked: a metadata document that changed describes another. */
export function isSameClient(
  request: SessionRequest,
  client: { readonly client_id: string; readonly client_document: string | undefined },
): boolean {
  return request.client_id === client.client_id && request.client_document?.digest === client.client_document;
}

/** Hands the session over to the client that presents the code. */
export function redeemCode(state: SessionState, jti: string, now: number): Result<ActiveSession, RedeemFault> {
  const redeemed = redeem(state, jti, now);
  if (!redeemed.ok) return redeemed;
  const { code_issued_at } = redeemed.value;
  if (code_issued_at === undefined || now >= code_issued_at + CODE_LIFETIME_SECONDS) return err("expired");
  return redeemed;
}

function unredeemed(state: SessionState, now: number): Result<ActiveSession, RedeemFault> {
  const current = asOf(state, now);
  switch (current.status) {
    case "pending":
      return err("pending");
    case "active":
      return current.first_token === undefined ? ok(current) : err("already_redeemed");
    case "ended":
      if (current.how === "denied" || (current.how === "revoked" && current.decision === undefined))
        return err("denied");
      // An approval that nobody fetched in time expired as a request does.
      return err(current.how === "expired" ? "expired" : "ended");
  }
}

export type EndFault = "already_ended";

/** The agent says it is done, or takes its request back. */
export function finish(state: SessionState, agent: string, now: number): Result<EndedSession, EndFault> {
  const current = asOf(state, now);
  if (current.status === "ended") return err("already_ended");
  return ok(end(current, current.status === "pending" ? "withdrawn" : "completed", now, { kind: "agent", id: agent }));
}

/** A human, or the agent itself through RFC 7009, takes the session away. */
export function revoke(
  state: SessionState,
  by: EndedBy,
  reason: string | undefined,
  now: number,
): Result<EndedSession, EndFault> {
  const current = asOf(state, now);
  if (current.status === "ended") return err("already_ended");
  return ok({ ...end(current, "revoked", now, by), ...(reason === undefined ? {} : { reason }) });
}

function end(state: PendingSession | ActiveSession, how: Ending, at: number, by?: EndedBy): EndedSession {
  const kept =
    state.status === "active"
      ? {
          grant: state.grant,
          grant_digest: state.grant_digest,
          decision: state.decision,
          ...(state.approvals === undefined ? {} : { approvals: state.approvals }),
          ...(state.earlier === undefined ? {} : { earlier: state.earlier }),
          ...(state.step_up?.status === "pending" ? { waiting_step_up: state.step_up.request_id } : {}),
        }
      : {};
  return {
    status: "ended",
    how,
    ended_at: at,
    ...(by === undefined ? {} : { ended_by: by }),
    ...openedOf(state),
    ...kept,
  };
}

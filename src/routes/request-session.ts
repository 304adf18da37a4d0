import { digestOf } from "../crypto/hash.ts";
import { newId } from "../crypto/random.ts";
import { handleOf, matchCode } from "../crypto/session-handle.ts";
import type { AccessDetail } from "../domain/access.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { cutOffUntil } from "../domain/cut-off.ts";
import { withHandOuts } from "../domain/hand-out-labels.ts";
import { linkables } from "../domain/linked-account.ts";
import { labelsFor, standInLines } from "../domain/labels.ts";
import { registrationOf } from "../domain/registration.ts";
import { judgeAsk, type AskFault, type JudgedAsk } from "../domain/policy.ts";
import type { CodeFlow, SessionRequest, Task } from "../domain/request.ts";
import { POLL_INTERVAL_SECONDS, REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import type { Extends, StepUpFault } from "../domain/step-up.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { NotifyChannels } from "../domain/tenant.ts";
import type { Admission, AdmitFault } from "../durable/agent-commands.ts";
import type { SessionSetting } from "../durable/session-store.ts";
import type { AskChannel } from "../durable/session-work.ts";
import type { OneTimeClaim } from "../protocol/client-assertion.ts";
import { proofErrorAtServer } from "../protocol/dpop.ts";
import { askError } from "../protocol/session-request.ts";
import { SESSION_OVER, STEP_UP_PENDING } from "../protocol/step-up.ts";
import { UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { isTakenBackAt, narrowingAt } from "../tenancy.ts";
import type { AuthenticatedClient } from "./client.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { ledgerBehind } from "./ledger-behind.ts";
import { agentObject, personObject, sessionObject, tenantObject } from "./objects.ts";
import { freshNonce } from "./proof.ts";

/** What is asked for, whichever door it came through. */
export interface SessionAsk {
  readonly client: Pick<AuthenticatedClient, "id" | "oneTime"> & {
    readonly client: { readonly document?: SessionRequest["client_document"] };
  };
  /** Everything that came with the request and may come once, beside the client's assertion. */
  readonly oneTime: readonly OneTimeClaim[];
  readonly task: Task;
  readonly user?: string | undefined;
  readonly authorization_details: readonly AccessDetail[];
  readonly expires_in?: number | undefined;
  /** The person who shall decide, where the request names one. */
  readonly approver?: string | undefined;
  readonly jkt?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly codeFlow?: CodeFlow | undefined;
  readonly browser?: SessionSetting["browser"];
  /** The session that more is asked for. */
  readonly extends?: Extends | undefined;
}

/** A session that waits for its human. */
export interface RequestedSession {
  readonly session_id: string;
  readonly match_code: string;
  /** Epoch seconds. */
  readonly request_expires_at: number;
}

export type SessionAskFault =
  | { readonly kind: "refused"; readonly fault: AskFault }
  | { readonly kind: "not_admitted"; readonly fault: AdmitFault }
  | { readonly kind: "not_claimed"; readonly fault: StepUpFault }
  | { readonly kind: "held_up"; readonly error: WireError };

/**
 * The one way in: judges what is asked by the trust policy, lets it in at the client's object, and
 * opens the session, which sends its links. Every door (JSON, CIBA, authorization code, identity
 * assertion) comes through here, so none can be wider than another.
 */
export async function requestSession(c: Handling, ask: SessionAsk): Promise<Result<RequestedSession, SessionAskFault>> {
  const behind = ledgerBehind(c);
  if (behind !== undefined) return err({ kind: "held_up", error: behind });
  const judged = await judge(c, ask);
  if (!judged.ok) return refuse(c, ask, judged.error);
  const content = contentOf(ask, judged.value);
  const admitted = await admit(c, ask, content);
  if (!admitted.ok) return err({ kind: "not_admitted", fault: admitted.error });
  const claimed = await claimBase(c, ask, admitted.value);
  if (!claimed.ok) return err({ kind: "not_claimed", fault: claimed.error });
  return ok(await open(c, ask, content, judged.value, admitted.value));
}

/** By the trust policy, and by whether the person it works for has linked the accounts that it would use. */
async function judge(c: Handling, ask: SessionAsk): Promise<Result<JudgedAsk, AskFault>> {
  const { issuer, tenant } = c.var.tenant;
  const { client, authorization_details: details, expires_in: expiresInSeconds, user, approver, codeFlow } = ask;
  const wanted = {
    client_id: client.id,
    details,
    expiresInSeconds,
    user,
    approver,
    inBrowser: codeFlow !== undefined,
    resource: codeFlow?.resource,
  };
  const judged = judgeAsk(tenant, wanted, nowSeconds());
  if (!judged.ok || user === undefined) return judged;
  const needed = linkables(tenant).filter(({ upstream }) =>
    details.some((detail) => detail.type === "upstream_access" && detail.upstream === upstream.id),
  );
  if (needed.length === 0) return judged;
  const linked = await personObject(c.env, issuer, user).accounts();
  const missing = needed.find(({ upstream: { id } }) => !linked.some(({ upstream }) => upstream === id));
  return missing === undefined ? judged : err({ reason: "not_linked", upstream: missing.upstream.id });
}

/** What is refused is written down at the client's object, which uses up what came with it. */
async function refuse(c: Handling, ask: SessionAsk, fault: AskFault): Promise<Result<never, SessionAskFault>> {
  const { agent, identity, oneTime } = clientOf(c, ask);
  const used = await agent.consume(identity, oneTime);
  if (!used.ok) return err({ kind: "not_admitted", fault: { reason: used.error } });
  await agent.refuse(identity, fault.reason);
  return err({ kind: "refused", fault });
}

/** What a request says, whenever it is made. */
type Content = Omit<SessionRequest, "issuer" | "session_id" | "client_id" | "agent_trust" | "requested_at">;

function contentOf(ask: SessionAsk, { details, expiresInSeconds }: JudgedAsk): Content {
  const { jkt, task, user, codeFlow } = ask;
  const { document } = ask.client.client;
  return {
    ...(jkt === undefined ? {} : { jkt }),
    task,
    ...(user === undefined ? {} : { user }),
    authorization_details: details,
    expires_in: expiresInSeconds,
    ...(document === undefined ? {} : { client_document: document }),
    ...(codeFlow === undefined ? {} : { code_flow: codeFlow }),
    ...(ask.extends === undefined ? {} : { extends: ask.extends }),
  };
}

async function admit(c: Handling, ask: SessionAsk, content: Content): Promise<Result<Admission, AdmitFault>> {
  const { agent, identity, oneTime } = clientOf(c, ask);
  const { approver, browser, codeFlow, idempotencyKey } = ask;
  // What is left of a session's time is less each second, and asks for the same.
  const sameTime = ask.extends === undefined ? {} : { expires_in: 0 };
  return agent.admit({
    identity,
    oneTime,
    lane: codeFlow === undefined ? undefined : approver,
    idempotencyKey,
    contentDigest: digestOf({ ...content, ...sameTime, approver, browser }),
    sessionId: newId(ID_PREFIXES.session),
    // From storage: this isolate's snapshot may not know of a cut-off for seconds yet.
    deadUntil: cutOffUntil(await tenantObject(c.env, identity.issuer).cutOffs(), identity.client_id),
  });
}

/** Has the session that more is asked for wait for this request, and for no other beside it. */
async function claimBase(
  c: Handling,
  ask: SessionAsk,
  { session_id, requested_at }: Admission,
): Promise<Result<void, StepUpFault>> {
  if (ask.extends === undefined) return ok(undefined);
  const until = Math.min(requested_at + REQUEST_LIFETIME_SECONDS, ask.extends.expires_at);
  const base = sessionObject(c.env, c.var.tenant.issuer, ask.extends.session_id);
  const claimed = await base.claimStepUp(session_id, until);
  if (!claimed.ok) await clientOf(c, ask).agent.settle({ session_id, units: [] });
  return claimed;
}

async function open(
  c: Handling,
  ask: SessionAsk,
  content: Content,
  { plan }: JudgedAsk,
  { session_id, requested_at, history }: Admission,
): Promise<RequestedSession> {
  const { issuer, tenant, root } = c.var.tenant;
  const { client, browser } = ask;
  const registration = registrationOf(tenant, client.id);
  const request: SessionRequest = {
    issuer,
    session_id,
    client_id: client.id,
    ...(registration === undefined ? {} : { agent_trust: registration.trust }),
    ...content,
    requested_at,
  };
  const labels = {
    ...withHandOuts(labelsFor(tenant, request, narrowingAt, history), tenant, request, isTakenBackAt(tenant)),
    stand_ins: standInLines(tenant, plan, requested_at),
  };
  const match_code = matchCode(root, issuer, session_id);
  const { request_expires_at } = await sessionObject(c.env, issuer, session_id).open({
    request,
    requestDigest: digestOf(request),
    plan,
    setting: { issuer, labels, match_code, owner: registration?.owner, browser },
    channels: channelsOf(tenant.document.notify),
  });
  return { session_id, match_code, request_expires_at };
}

/** The client's object, and all that it uses up of this request. */
function clientOf(c: Handling, { client, oneTime }: SessionAsk) {
  const { issuer } = c.var.tenant;
  return {
    agent: agentObject(c.env, issuer, client.id),
    identity: { issuer, client_id: client.id },
    oneTime: [...client.oneTime, ...oneTime],
  };
}

/** How approvers are told. Without any, a request waits in their inbox. */
function channelsOf(notify: NotifyChannels): readonly AskChannel[] {
  const configured = (["slack", "email", "webhook"] as const).filter((channel) => notify[channel] !== undefined);
  return configured.length === 0 ? ["inbox"] : configured;
}

/** What a client that will poll is told of a session that waits, CIBA Core §7.3, and the code to compare. */
export function pollingAnswer({ session_id, match_code, request_expires_at }: RequestedSession, c: Handling) {
  const { root, issuer } = c.var.tenant;
  return {
    auth_req_id: handleOf(root, issuer, "auth_req_id", session_id),
    expires_in: Math.max(0, request_expires_at - nowSeconds()),
    interval: POLL_INTERVAL_SECONDS,
    match_code,
  };
}

/** What a client is told when its ask comes to nothing. */
export function sessionAskError(fault: SessionAskFault, c: Handling): WireError {
  switch (fault.kind) {
    case "refused":
      return askError(fault.fault);
    case "not_admitted":
      return admitError(fault.fault, c);
    case "not_claimed":
      return fault.fault === "ended" ? SESSION_OVER : STEP_UP_PENDING;
    case "held_up":
      return fault.error;
  }
}

function admitError(fault: AdmitFault, c: Handling): WireError {
  switch (fault.reason) {
    case "replayed":
    case "stale":
      return {
        ...proofErrorAtServer("invalid", freshNonce(c, "as")),
        description: "the DPoP proof or the client assertion was used before; make fresh ones for each request",
      };
    case "overloaded":
      return UNAVAILABLE;
    case "idempotency_conflict":
      return {
        status: 422,
        error: "invalid_request",
        description: "this Idempotency-Key came with another request before; use a new one",
      };
    case "too_often":
    case "too_many_pending":
      return {
        status: 429,
        error: "slow_down",
        description: "too many requests of this agent; wait until some were decided",
        headers: { "retry-after": String(fault.retryAfter) },
      };
    case "just_cut_off":
      return {
        status: 503,
        error: "temporarily_unavailable",
        description: "all that this agent asked for was revoked a moment ago; ask again after Retry-After",
        headers: { "retry-after": String(fault.retryAfter) },
      };
    case "suspended":
      return {
        status: 403,
        error: "access_denied",
        description: "this agent is suspended after repeated denials; an admin can reinstate it",
        headers: { "retry-after": String(fault.retryAfter) },
      };
  }
}

import {
  limit,
  limitsOf,
  unitsOf,
  upstreamsOf,
  type AccessDetail,
  type AccessUnit,
  type UpstreamAccess,
} from "./access.ts";
import type { CompiledPolicy, CompiledTenant } from "./compiled-tenant.ts";
import { parseDuration } from "./duration.ts";
import { formatLimits, LIMIT_NAMES, loosest, type Limits } from "./limits.ts";
import { isLinked } from "./linked-account.ts";
import { namesAgent, registrationOf } from "./registration.ts";
import { err, ok, type Result } from "./result.ts";
import { ASSURANCE_LEVELS, involvesSso, type Assurance, type Person, type TrustPolicy } from "./tenant.ts";

/** What an agent asks for, as far as the trust policy judges it. */
export interface Ask {
  readonly clientId: string;
  readonly details: readonly AccessDetail[];
  /** As long as the policy lets it, up to {@link DEFAULT_SESSION_SECONDS}, when left out. */
  readonly expiresInSeconds?: number | undefined;
  /** The person for whom the agent says it works. */
  readonly user?: string | undefined;
  /** The one person who shall decide, where the request names one. */
  readonly approver?: string | undefined;
}

/** How long a session lasts whose request names no time, in seconds. */
export const DEFAULT_SESSION_SECONDS = 30 * 60;

/** What the policy makes of an ask. */
export interface JudgedAsk {
  readonly plan: ApprovalPlan;
  /** What was asked for, with the policy's limits where it named none. */
  readonly details: readonly AccessDetail[];
  readonly expiresInSeconds: number;
}

/** Who decides an ask, and how well they must be known. */
export interface ApprovalPlan {
  readonly policy_id: string;
  readonly approvers: readonly string[];
  readonly assurance: Assurance;
  /** How many of the approvers have to sign the same grant; one, where nothing is said. */
  readonly quorum?: number | undefined;
  /** Who is asked as well when nobody has decided after so many seconds. */
  readonly later?: { readonly after_seconds: number; readonly approvers: readonly string[] } | undefined;
  /** Whether the match code has to be typed. */
  readonly enter_match_code?: true | undefined;
}

export type AskFault =
  | { readonly reason: "unknown_access"; readonly detail: string }
  | { readonly reason: "unknown_user" }
  | { readonly reason: "user_missing" }
  | { readonly reason: "not_linked"; readonly upstream: string }
  | { readonly reason: "not_allowed"; readonly unit: AccessUnit }
  | { readonly reason: "too_long"; readonly maxSeconds: number }
  | { readonly reason: "too_much"; readonly limits: string }
  | { readonly reason: "no_approver"; readonly policy: string }
  | { readonly reason: "unknown_approver" }
  | { readonly reason: "no_quorum"; readonly policy: string; readonly quorum: number }
  | { readonly reason: "assurance_not_offered"; readonly policy: string; readonly assurance: Assurance };

/**
 * Judges an ask by the trust policy in force: every unit must exist in a catalogue, and one policy
 * (the first in the document's order) must cover all of it, so that there is one answer to who
 * decides. A tenant without a fitting policy refuses everything.
 */
export function judgeAsk(tenant: CompiledTenant, ask: Ask): Result<JudgedAsk, AskFault> {
  for (const detail of ask.details) {
    const fault = unknownPart(tenant, detail);
    if (fault !== undefined) return err({ reason: "unknown_access", detail: fault });
    if (ask.user === undefined && lendsAccount(tenant, detail)) return err({ reason: "user_missing" });
  }
  if (ask.user !== undefined && !tenant.people.has(ask.user)) return err({ reason: "unknown_user" });

  const units = ask.details.flatMap(unitsOf);
  const covering = policiesOf(tenant, ask.clientId).filter(({ allows }) => units.every(allows));
  if (covering.length === 0) return err({ reason: "not_allowed", unit: firstRefused(tenant, ask.clientId, units) });
  const { expiresInSeconds } = ask;
  const longEnough = covering.filter(
    (policy) => expiresInSeconds === undefined || expiresInSeconds <= policy.maxDurationSeconds,
  );
  if (longEnough.length === 0) {
    return err({ reason: "too_long", maxSeconds: Math.max(...covering.map((policy) => policy.maxDurationSeconds)) });
  }
  const fitting = longEnough.find(({ policy }) => asksWithin(ask.details, policy.limits));
  if (fitting === undefined)
    return err({ reason: "too_much", limits: formatLimits(loosest(longEnough.map(({ policy }) => policy.limits))) });
  const plan = planApproval(tenant, fitting, ask);
  if (!plan.ok) return plan;
  const longest = Math.min(fitting.maxDurationSeconds, DEFAULT_SESSION_SECONDS);
  return ok({
    plan: plan.value,
    details: limit(ask.details, () => fitting.policy.limits),
    expiresInSeconds: expiresInSeconds ?? longest,
  });
}

/** Whether no limit that is asked for is above the policy's. One that is left out becomes the policy's. */
function asksWithin(details: readonly AccessDetail[], limits: Limits | undefined): boolean {
  return upstreamsOf(details).every((upstream) => {
    const asked = limitsOf(details, upstream);
    return LIMIT_NAMES.every((name) => (asked[name] ?? 0) <= (limits?.[name] ?? Infinity));
  });
}

function planApproval(tenant: CompiledTenant, { policy }: CompiledPolicy, ask: Ask): Result<ApprovalPlan, AskFault> {
  if (involvesSso(policy.assurance) && tenant.document.sso === undefined) {
    return err({ reason: "assurance_not_offered", policy: policy.id, assurance: policy.assurance });
  }
  const requesters = requestersOf(tenant, policy, ask.clientId, ask.user);
  const approvers = [...tenant.people.values()]
    .filter((person) => isApprover(person, policy.approvers) && !requesters.includes(person.id))
    .map((person) => person.id);
  if (approvers.length === 0) return err({ reason: "no_approver", policy: policy.id });
  const asked = ask.approver === undefined ? approvers : approvers.filter((person) => person === ask.approver);
  // Nobody learns whether that person is unknown or only may not decide this.
  if (asked.length === 0) return err({ reason: "unknown_approver" });
  // A request that names its one approver, or a browser that is one, cannot bring more.
  const later = ask.approver === undefined ? laterApprovers(tenant, policy, [...requesters, ...asked]) : [];
  if (asked.length + later.length < policy.quorum)
    return err({ reason: "no_quorum", policy: policy.id, quorum: policy.quorum });
  const { id: policy_id, assurance, quorum, enter_match_code } = policy;
  return ok({
    policy_id,
    approvers: asked,
    assurance,
    ...(quorum === 1 ? {} : { quorum }),
    ...(enter_match_code ? { enter_match_code } : {}),
    ...(later.length === 0
      ? {}
      : { later: { after_seconds: parseDuration(policy.escalate?.after ?? "") ?? 0, approvers: later } }),
  });
}

/** Whom the policy has asked in the second place, without those who are asked already or speak for the request. */
function laterApprovers(
  tenant: CompiledTenant,
  { escalate }: TrustPolicy,
  without: readonly (string | undefined)[],
): string[] {
  if (escalate === undefined) return [];
  return [...tenant.people.values()]
    .filter((person) => isApprover(person, escalate.to) && !without.includes(person.id))
    .map((person) => person.id);
}

/** Everybody who may decide under a plan, asked at once or later. */
export function approversOf({ approvers, later }: ApprovalPlan): readonly string[] {
  return [...approvers, ...(later?.approvers ?? [])];
}

function isApprover(person: Person, approvers: readonly string[]): boolean {
  if (!person.roles.includes("approver")) return false;
  return approvers.includes(person.id) || person.groups.some((group) => approvers.includes(`group:${group}`));
}

/** Whether somebody known at `offered` may decide what demands `demanded`. */
export function meets(offered: Assurance, demanded: Assurance): boolean {
  return ASSURANCE_LEVELS.indexOf(offered) >= ASSURANCE_LEVELS.indexOf(demanded);
}

/** Whether the policy in force still lets this agent have a unit. Asked at every use. */
export function allowsNow(tenant: CompiledTenant, clientId: string, unit: AccessUnit): boolean {
  return policiesOf(tenant, clientId).some(({ allows }) => allows(unit));
}

/** How much of an upstream the policy in force lets a session use for a unit: the most that any policy which allows it does. */
export function limitsNow(tenant: CompiledTenant, clientId: string, unit: AccessUnit): Limits {
  return loosest(policiesOf(tenant, clientId).flatMap(({ allows, policy }) => (allows(unit) ? [policy.limits] : [])));
}

/** Whether the policy in force still lets this person decide: what it would say if the request came now. */
export function mayDecideNow(
  tenant: CompiledTenant,
  personId: string,
  plan: ApprovalPlan,
  request: { readonly client_id: string; readonly user?: string | undefined },
): boolean {
  const person = tenant.people.get(personId);
  const policy = tenant.policies.find((candidate) => candidate.policy.id === plan.policy_id)?.policy;
  if (person === undefined || policy === undefined) return false;
  return (
    isApprover(person, [...policy.approvers, ...(policy.escalate?.to ?? [])]) &&
    !requestersOf(tenant, policy, request.client_id, request.user).includes(personId)
  );
}

/** How many have to approve now: the policy of when it was asked, or today's where that wants more. */
export function quorumNow(tenant: CompiledTenant, plan: ApprovalPlan): number {
  const today = tenant.policies.find(({ policy }) => policy.id === plan.policy_id)?.policy.quorum ?? 1;
  return Math.max(plan.quorum ?? 1, today);
}

/** Who speaks for the request and so may not decide it, unless the policy says so in words. */
function requestersOf(
  tenant: CompiledTenant,
  { solo }: TrustPolicy,
  clientId: string,
  user: string | undefined,
): readonly (string | undefined)[] {
  return solo ? [] : [registrationOf(tenant, clientId)?.owner, user];
}

/** The policies in force for a client. */
export function policiesOf(tenant: CompiledTenant, clientId: string): CompiledPolicy[] {
  return tenant.policies.filter(({ policy }) => namesAgent(policy.agents, clientId));
}

function firstRefused(tenant: CompiledTenant, clientId: string, units: readonly AccessUnit[]): AccessUnit {
  return units.find((unit) => !allowsNow(tenant, clientId, unit)) ?? units[0] ?? "";
}

/** Whether it uses an account that a person linked, and so needs to be told whose. */
function lendsAccount(tenant: CompiledTenant, detail: AccessDetail): boolean {
  const upstream = detail.type === "upstream_access" ? tenant.upstreams.get(detail.upstream)?.upstream : undefined;
  return upstream !== undefined && isLinked(upstream);
}

function unknownPart(tenant: CompiledTenant, detail: AccessDetail): string | undefined {
  if (detail.type === "upstream_access") return unknownOperation(tenant, detail);
  const server = tenant.servers.get(detail.server);
  if (server === undefined) return `there is no server "${detail.server}"`;
  const tool = detail.actions.find((name) => !Object.hasOwn(server.tools, name));
  return tool === undefined ? undefined : `server "${detail.server}" has no tool "${tool}"`;
}

function unknownOperation(tenant: CompiledTenant, detail: UpstreamAccess): string | undefined {
  const catalogue = tenant.upstreams.get(detail.upstream)?.catalogue;
  if (catalogue === undefined) return `there is no upstream "${detail.upstream}"`;
  for (const action of detail.actions) {
    if (!Object.hasOwn(catalogue.operations, action)) {
      return `upstream "${detail.upstream}" has no operation "${action}"`;
    }
    const knowsLocations = catalogue.operations[action]?.location !== undefined;
    if (knowsLocations && detail.locations === undefined) {
      return `operation "${action}" needs locations; name each one`;
    }
    if (!knowsLocations && detail.locations !== undefined) {
      return `operation "${action}" knows no locations; ask for it in an entry without them`;
    }
  }
  return undefined;
}

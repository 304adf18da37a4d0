import { standInFor } from "./absence.ts";
import {
  limit,
  limitsOf,
  placesOf,
  toolUnit,
  unitsOf,
  type AccessDetail,
  type AccessUnit,
  type UpstreamAccess,
} from "./access.ts";
import { isNamed, namedPeople, OWNER_WORD, ownersOf } from "./approvers.ts";
import type { CompiledPolicy, CompiledTenant } from "./compiled-tenant.ts";
import { serverAt, uncountedServer } from "./counted.ts";
import { highest } from "./demand.ts";
import { parseDuration } from "./duration.ts";
import type { Target } from "./exchange.ts";
import { formatLimits, LIMIT_NAMES, loosest, type Limits } from "./limits.ts";
import { isLinked } from "./linked-account.ts";
import { namesAgent, registrationOf } from "./registration.ts";
import type { SessionRequest } from "./request.ts";
import { err, ok, type Result } from "./result.ts";
import { involvesSso, type Assurance, type TrustPolicy } from "./tenant.ts";

/** Who asks. */
interface Asking {
  readonly client_id: string;
  /** The person for whom the agent says it works. */
  readonly user?: string | undefined;
}

/** What an agent asks for, as far as the trust policy judges it. */
export interface Ask extends Asking {
  readonly details: readonly AccessDetail[];
  /** As long as the policy lets it, up to {@link DEFAULT_SESSION_SECONDS}, when left out. */
  readonly expiresInSeconds?: number | undefined;
  /** The one person who shall decide, where the request names one. */
  readonly approver?: string | undefined;
  /** Whether that person has to decide in the very browser that asks. */
  readonly inBrowser?: boolean | undefined;
  /** The one audience that an authorization request names. */
  readonly resource?: string | undefined;
}

/** How long a session lasts whose request names no time, in seconds. */
const DEFAULT_SESSION_SECONDS = 30 * 60;

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
  /** Who may decide in the place of an approver who was away when it was asked. */
  readonly stand_ins?: readonly StandIn[] | undefined;
  /** Whether the match code has to be typed. */
  readonly enter_match_code?: true | undefined;
}

export interface StandIn {
  readonly person: string;
  readonly for: string;
}

export type AskFault =
  | { readonly reason: "unknown_access"; readonly detail: string }
  | { readonly reason: "unknown_user" }
  | { readonly reason: "user_missing" }
  | { readonly reason: "not_linked"; readonly upstream: string }
  | { readonly reason: "not_allowed"; readonly unit: AccessUnit }
  | { readonly reason: "too_long"; readonly maxSeconds: number }
  | { readonly reason: "too_much"; readonly limits: string }
  | { readonly reason: "not_counted"; readonly server: string }
  | { readonly reason: "no_approver"; readonly policy: string }
  | { readonly reason: "several_owners"; readonly policy: string }
  | { readonly reason: "unknown_approver" }
  | { readonly reason: "no_quorum"; readonly policy: string; readonly quorum: number }
  | { readonly reason: "assurance_not_offered"; readonly policy: string; readonly assurance: Assurance };

/**
 * Judges an ask by the trust policy in force: every unit must exist in a catalogue, and one policy
 * (the first in the document's order) must cover all of it, so that there is one answer to who
 * decides. A tenant without a fitting policy refuses everything.
 *
 * @param now epoch seconds
 */
export function judgeAsk(tenant: CompiledTenant, ask: Ask, now: number): Result<JudgedAsk, AskFault> {
  for (const detail of ask.details) {
    const fault = unknownPart(tenant, detail);
    if (fault !== undefined) return err({ reason: "unknown_access", detail: fault });
    if (ask.user === undefined && lendsAccount(tenant, detail)) return err({ reason: "user_missing" });
  }
  if (ask.user !== undefined && !tenant.people.has(ask.user)) return err({ reason: "unknown_user" });

  const units = ask.details.flatMap(unitsOf);
  const covering = policiesOf(tenant, ask.client_id).filter(({ allows }) => units.every(allows));
  if (covering.length === 0) return err({ reason: "not_allowed", unit: firstRefused(tenant, ask.client_id, units) });
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
  const seconds = expiresInSeconds ?? Math.min(fitting.maxDurationSeconds, DEFAULT_SESSION_SECONDS);
  const assurance = fitting.demands(units, seconds);
  if (involvesSso(assurance) && tenant.document.sso === undefined)
    return err({ reason: "assurance_not_offered", policy: fitting.policy.id, assurance });
  // At a local server there is nothing that a policy's limits could count.
  const details = limit(ask.details, (place) =>
    serverAt(tenant, place)?.trust === "local" ? undefined : fitting.policy.limits,
  );
  const server = uncountedServer(tenant, details, ask.resource);
  if (server !== undefined) return err({ reason: "not_counted", server });
  const plan = planApproval(tenant, fitting.policy, assurance, ask, now);
  return plan.ok ? ok({ plan: plan.value, details, expiresInSeconds: seconds }) : plan;
}

/** Whether no limit that is asked for is above the policy's. One that is left out becomes the policy's. */
function asksWithin(details: readonly AccessDetail[], limits: Limits | undefined): boolean {
  return placesOf(details).every((place) => {
    const asked = limitsOf(details, place);
    return LIMIT_NAMES.every((name) => (asked[name] ?? 0) <= (limits?.[name] ?? Infinity));
  });
}

function planApproval(
  tenant: CompiledTenant,
  policy: TrustPolicy,
  assurance: Assurance,
  ask: Ask,
  now: number,
): Result<ApprovalPlan, AskFault> {
  const requesters = requestersOf(tenant, policy, ask);
  const approvers = namedPeople(tenant, policy.approvers, ask.details)
    .map((person) => person.id)
    .filter((id) => !requesters.includes(id));
  if (approvers.length === 0) {
    const isDivided = policy.approvers.includes(OWNER_WORD) && ownersOf(tenant, ask.details).length > 1;
    return err({ reason: isDivided ? "several_owners" : "no_approver", policy: policy.id });
  }
  const asked = ask.approver === undefined ? approvers : approvers.filter((person) => person === ask.approver);
  // Nobody learns whether that person is unknown or only may not decide this.
  if (asked.length === 0) return err({ reason: "unknown_approver" });
  // A request that names its one approver, or a browser that is one, cannot bring more.
  const later =
    ask.approver === undefined ? laterApprovers(tenant, policy, ask.details, [...requesters, ...asked]) : [];
  if (asked.length + later.length < policy.quorum)
    return err({ reason: "no_quorum", policy: policy.id, quorum: policy.quorum });
  const stand_ins = ask.inBrowser === true ? [] : standInsOf(tenant, [...asked, ...later], partiesOf(tenant, ask), now);
  const { id: policy_id, quorum, enter_match_code } = policy;
  return ok({
    policy_id,
    approvers: asked,
    assurance,
    ...(quorum === 1 ? {} : { quorum }),
    ...(stand_ins.length === 0 ? {} : { stand_ins }),
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
  touched: readonly AccessDetail[],
  without: readonly (string | undefined)[],
): string[] {
  return namedPeople(tenant, escalate?.to ?? [], touched)
    .map((person) => person.id)
    .filter((id) => !without.includes(id));
}

/** Who stands in for those approvers who are away. Somebody who may decide anyway stands in for nobody. */
function standInsOf(
  tenant: CompiledTenant,
  approvers: readonly string[],
  parties: readonly (string | undefined)[],
  now: number,
): StandIn[] {
  const standIns = new Map<string, StandIn>();
  for (const absent of approvers) {
    const person = standInFor(tenant, absent, parties, now);
    if (person !== undefined && !approvers.includes(person) && !standIns.has(person))
      standIns.set(person, { person, for: absent });
  }
  return [...standIns.values()];
}

/** Those who may decide under a plan in their own right, asked at once or later. */
export function ownApproversOf({ approvers, later }: ApprovalPlan): readonly string[] {
  return [...approvers, ...(later?.approvers ?? [])];
}

/** Everybody who may decide under a plan, in their own right or in somebody's place. */
export function approversOf(plan: ApprovalPlan): readonly string[] {
  return [...ownApproversOf(plan), ...(plan.stand_ins ?? []).map(({ person }) => person)];
}

/** Whether the policy in force still lets this agent have a unit. Asked at every use. */
export function allowsNow(tenant: CompiledTenant, clientId: string, unit: AccessUnit): boolean {
  return policiesOf(tenant, clientId).some(({ allows }) => allows(unit));
}

/** How much of a place the policy in force lets a session use for a unit: the most that any policy which allows it does. */
export function limitsNow(tenant: CompiledTenant, clientId: string, unit: AccessUnit): Limits {
  return loosest(policiesOf(tenant, clientId).flatMap(({ allows, policy }) => (allows(unit) ? [policy.limits] : [])));
}

/** Those tools of a server that the policy in force limits, where what is done with a token for it is not counted. */
export function limitedNow(tenant: CompiledTenant, clientId: string, target: Target | undefined): AccessUnit[] {
  if (target?.kind !== "server" || target.isCounted || tenant.servers.get(target.id)?.trust !== "remote") return [];
  return Object.keys(target.tools)
    .map((tool) => toolUnit(target.id, tool))
    .filter((unit) => Object.keys(limitsNow(tenant, clientId, unit)).length > 0);
}

/** A request that waits, as far as the policy in force judges it again. */
export type Judged = Pick<
  SessionRequest,
  "client_id" | "user" | "authorization_details" | "expires_in" | "agent_trust"
>;

/** What the policy in force says of one person's decision, beside what the plan said when it was asked. */
export interface TermsNow {
  /** Whether this person may decide: what would be said if the request came now. */
  readonly permitted: boolean;
  /** In whose place, where not in their own right. */
  readonly on_behalf_of?: string | undefined;
  /** Whether they decide alone, as the admin who broke the glass. */
  readonly break_glass?: true | undefined;
  /** How long the session may last, where it is less than was asked for. */
  readonly longest_seconds?: number | undefined;
  /** How many have to approve: the plan, or today's policy where that wants more. */
  readonly quorum: number;
  /** How well they must be known: the plan, or today's policy where that wants more. */
  readonly demanded: Assurance;
}

/**
 * Judges a request that waits once more, for the person who is about to decide it.
 *
 * @param now epoch seconds
 */
export function termsNow(
  tenant: CompiledTenant,
  personId: string,
  plan: ApprovalPlan,
  request: Judged,
  now: number,
): TermsNow {
  const today = tenant.policies.find(({ policy }) => policy.id === plan.policy_id);
  const units = request.authorization_details.flatMap(unitsOf);
  const standsInFor = ownApproversOf(plan).includes(personId)
    ? undefined
    : plan.stand_ins?.find(({ person }) => person === personId)?.for;
  const isStandIn =
    standsInFor === undefined || standInFor(tenant, standsInFor, partiesOf(tenant, request), now) === personId;
  return {
    permitted:
      today !== undefined &&
      isStandIn &&
      runsWhereShown(tenant, request) &&
      mayDecide(tenant, today.policy, standsInFor ?? personId, request),
    ...(standsInFor === undefined ? {} : { on_behalf_of: standsInFor }),
    quorum: Math.max(plan.quorum ?? 1, today?.policy.quorum ?? 1),
    demanded: highest(plan.assurance, ...(today === undefined ? [] : [today.demands(units, request.expires_in)])),
  };
}

/** Whether the agent is still said to run where its approvers read that it does. */
function runsWhereShown(tenant: CompiledTenant, { client_id, agent_trust }: Judged): boolean {
  return agent_trust === undefined || agent_trust === registrationOf(tenant, client_id)?.trust;
}

function mayDecide(tenant: CompiledTenant, policy: TrustPolicy, personId: string, request: Judged): boolean {
  const person = tenant.people.get(personId);
  const words = [...policy.approvers, ...(policy.escalate?.to ?? [])];
  return (
    person !== undefined &&
    isNamed(tenant, person, words, request.authorization_details) &&
    !requestersOf(tenant, policy, request).includes(personId)
  );
}

/** Who speaks for the request and so may not decide it, unless the policy says so in words. */
function requestersOf(tenant: CompiledTenant, { solo }: TrustPolicy, of: Asking): readonly (string | undefined)[] {
  return solo ? [] : partiesOf(tenant, of);
}

/** The agent's owner, and the person it works for. */
function partiesOf(tenant: CompiledTenant, { client_id, user }: Asking): readonly (string | undefined)[] {
  return [registrationOf(tenant, client_id)?.owner, user];
}

/** The policies in force for a client. */
export function policiesOf(tenant: CompiledTenant, clientId: string): CompiledPolicy[] {
  return tenant.policies.filter(
    ({ policy: { agents, trust } }) =>
      namesAgent(agents, clientId) && (trust === undefined || trust === registrationOf(tenant, clientId)?.trust),
  );
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

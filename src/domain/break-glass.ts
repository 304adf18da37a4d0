import type { CompiledTenant } from "./compiled-tenant.ts";
import { parseDuration } from "./duration.ts";
import { highest } from "./demand.ts";
import { approversOf, termsNow, type ApprovalPlan, type TermsNow } from "./policy.ts";
import { registrationOf } from "./registration.ts";
import type { SessionRequest } from "./request.ts";
import { err, ok, type Result } from "./result.ts";

/** The longest session that an admin can begin alone, in seconds. */
export const LONGEST_BREAK_GLASS_SECONDS = 3600;
/** The longest time that a use may wait for its review before its admin has no other, in seconds. */
export const LONGEST_REVIEW_SECONDS = 7 * 24 * 3600;

/** An admin's claim to decide a waiting request alone, whoever its policy names. */
export interface BreakGlass {
  readonly person: string;
  /** Why, in the admin's own words, cleaned. */
  readonly reason: string;
  /** Epoch seconds. */
  readonly at: number;
}

/** One time that an admin broke the glass. */
export interface GlassUse {
  readonly session_id: string;
  readonly client_id: string;
  readonly person: string;
  readonly reason: string;
  /** Epoch seconds. */
  readonly at: number;
  /** Without a review by then, this admin cannot do it again. */
  readonly review_by: number;
  readonly reviewed_by: string | null;
  readonly reviewed_at: number | null;
  readonly comment: string | null;
}

/** What a tenant lets its admins do, where its document says so in words. */
export interface BreakGlassRules {
  readonly longestSeconds: number;
  readonly reviewSeconds: number;
}

export type BreakGlassFault =
  | "not_enabled"
  | "not_an_admin"
  | "own_request"
  /** Only the human at the browser that asks can approve. */
  | "browser_only"
  /** It asks more for a session that goes on already. */
  | "step_up"
  /** Nobody but the admin was asked, so nobody could review it. */
  | "no_reviewer";

/**
 * Judges whether a person may decide a request alone. The agent's owner and the person it works for
 * never may, not even where a policy lets them decide (`solo`): then nobody else would ever look.
 */
export function judgeBreakGlass(
  tenant: CompiledTenant,
  personId: string,
  plan: ApprovalPlan,
  request: Pick<SessionRequest, "client_id" | "user" | "code_flow" | "extends">,
): Result<BreakGlassRules, BreakGlassFault> {
  const rules = tenant.document.break_glass;
  if (rules === undefined) return err("not_enabled");
  if (tenant.people.get(personId)?.roles.includes("admin") !== true) return err("not_an_admin");
  if (isPartyTo(tenant, personId, request)) return err("own_request");
  if (request.code_flow !== undefined) return err("browser_only");
  if (request.extends !== undefined) return err("step_up");
  if (!approversOf(plan).some((id) => id !== personId && mayReview(tenant, id, request))) return err("no_reviewer");
  return ok({
    longestSeconds: Math.min(parseDuration(rules.max_duration) ?? 0, LONGEST_BREAK_GLASS_SECONDS),
    reviewSeconds: Math.min(parseDuration(rules.review_within) ?? 0, LONGEST_REVIEW_SECONDS),
  });
}

/** Whether somebody who was asked, and did not break the glass themselves, may review that it was. */
export function mayReview(
  tenant: CompiledTenant,
  personId: string,
  request: Pick<SessionRequest, "client_id" | "user">,
): boolean {
  return tenant.people.get(personId)?.roles.includes("approver") === true && !isPartyTo(tenant, personId, request);
}

function isPartyTo(
  tenant: CompiledTenant,
  personId: string,
  { client_id, user }: Pick<SessionRequest, "client_id" | "user">,
): boolean {
  return registrationOf(tenant, client_id)?.owner === personId || user === personId;
}

/** What everybody whom it concerns is told at once. */
export function breakGlassWords(agentName: string, adminName = "An admin", broken: BreakGlass) {
  return {
    headline: `Glass broken: ${adminName} decides alone`,
    paragraphs: [
      `${adminName} (${broken.person}), an admin, may now decide the waiting request of ${agentName} alone, in the place of all its approvers.`,
      `The reason given: ${broken.reason}`,
      "If you were asked to approve it, your link still lets you deny it, end the session, and review it when it is over. Somebody else than that admin has to.",
    ],
  };
}

/**
 * The terms on which a person decides now: as {@link termsNow} says, or alone where they broke the
 * glass and today's document still lets them. Alone they need a passkey, whatever the policy asks of others.
 *
 * @param now epoch seconds
 */
export function deciderTerms(
  tenant: CompiledTenant,
  personId: string,
  { plan, request, broken }: { plan: ApprovalPlan; request: SessionRequest; broken?: BreakGlass | undefined },
  now: number,
): TermsNow {
  const terms = termsNow(tenant, personId, plan, request, now);
  if (broken?.person !== personId) return terms;
  const judged = judgeBreakGlass(tenant, personId, plan, request);
  if (!judged.ok) return terms;
  return {
    permitted: tenant.policies.some(({ policy }) => policy.id === plan.policy_id),
    break_glass: true,
    longest_seconds: judged.value.longestSeconds,
    quorum: 1,
    demanded: highest(terms.demanded, "passkey"),
  };
}

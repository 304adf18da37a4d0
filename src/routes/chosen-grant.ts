import { limit, narrow, unitsOf } from "../domain/access.ts";
import type { Json } from "../domain/canonical-json.ts";
import { MIN_SESSION_SECONDS, type Narrowing } from "../domain/grant.ts";
import type { Decider, SessionState } from "../domain/session.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import { grantedDetailsSchema, readAuthorizationDetails } from "../protocol/authorization-details.ts";
import type { Entered } from "./approval-visit.tsx";
import { readLimits } from "./limit-form.ts";

/** How long this approver can grant it for. */
export function longestSeconds({ longest_seconds }: Decider, { request }: SessionState): number {
  return Math.min(request.expires_in, longest_seconds ?? Infinity);
}

/** What is left of the request: the units whose boxes are ticked, within the limits and for the time that were chosen. */
export function readNarrowing({ form, decider, description: { state } }: Entered, now: number): Narrowing {
  const { authorization_details, extends: base } = state.request;
  const expires_in = longestSeconds(decider, state);
  const ticked = new Set([...form].filter(([name]) => name.startsWith("unit.")).map(([, unit]) => unit));
  const chosen = Number(form.get("expires_in") ?? expires_in);
  const seconds = Number.isSafeInteger(chosen)
    ? Math.min(Math.max(chosen, MIN_SESSION_SECONDS), expires_in)
    : expires_in;
  const held = new Set(base?.authorization_details.flatMap(unitsOf));
  return {
    authorization_details: limit(
      narrow(authorization_details, (unit) => ticked.has(unit) || held.has(unit)),
      (place) => readLimits(form, place),
    ),
    expires_at: base?.expires_at ?? now + seconds,
  };
}

/** The grant as the review page carried it. Whether it is within the request, and has its digest, the session checks again. */
export function readGrant(text: string): Narrowing | undefined {
  const parsed = parseStrictJson(text);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const { authorization_details, expires_at } = parsed.value as Record<string, Json>;
  const details = readAuthorizationDetails(authorization_details, grantedDetailsSchema);
  if (!details.ok || typeof expires_at !== "number" || !Number.isSafeInteger(expires_at)) return undefined;
  return { authorization_details: details.value, expires_at };
}

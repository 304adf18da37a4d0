import { limitsOf, placesOf, type AccessDetail } from "./access.ts";
import { placeName, type Facts } from "./facts.ts";
import { formatUsage, leftOf, NOTHING_USED } from "./limits.ts";
import type { UpstreamUsage } from "./receipt.ts";

/** How far each upstream's limits are used up: `github: 12 of 200 calls, 3 of 20 writes`. */
export function usageLines(details: readonly AccessDetail[], usage: readonly UpstreamUsage[]): string[] {
  return placesOf(details).flatMap((place) => {
    const limits = limitsOf(details, place);
    const used = usage.find((one) => one.upstream === place) ?? NOTHING_USED;
    const text = formatUsage(limits, used);
    if (text === "") return [];
    const isUsedUp = Object.values(leftOf(limits, used)).includes(0);
    return [`${placeName(place)}: ${text}${isUsedUp ? " (used up)" : ""}`];
  });
}

/** What comes on top of a session, with what that has used until now: no fact of the request, which messages state too. */
export function withUsage(facts: Facts, lines: readonly string[]): Facts {
  if (lines.length === 0) return facts;
  return { ...facts, rows: [...facts.rows, { label: "Used so far", value: lines.join("\n") }] };
}

import type { CompiledTenant } from "./compiled-tenant.ts";
import type { Labels } from "./facts.ts";
import { isIn, possibleHandOuts } from "./hand-out.ts";
import type { SessionRequest } from "./request.ts";

/**
 * Adds to the names of a request which servers may be handed an upstream's own token, and says of
 * what they may do with it that the upstream alone enforces it.
 *
 * @param isTakenBack whether the upstream lets its token be taken back when the session ends
 */
export function withHandOuts(
  labels: Labels,
  tenant: CompiledTenant,
  { authorization_details }: Pick<SessionRequest, "authorization_details">,
  isTakenBack: (upstream: string) => boolean,
): Labels {
  const handOuts = possibleHandOuts([...tenant.servers.values()], authorization_details, isTakenBack);
  if (handOuts.length === 0) return labels;
  const units = Object.entries(labels.units).map(([unit, label]) => [
    unit,
    handOuts.some((handOut) => isIn(handOut)(unit)) ? { ...label, enforced_by: "upstream_alone" } : label,
  ]);
  return { ...labels, hand_outs: handOuts, units: Object.fromEntries(units) as Labels["units"] };
}

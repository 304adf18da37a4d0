import { operationUnit, type AccessUnit } from "./access.ts";
import type { ResolvedCall } from "./operations.ts";
import { err, ok, type Result } from "./result.ts";

/** One operation that a request carries out. */
export interface UnitCall {
  readonly unit: AccessUnit;
  readonly access: "read" | "write";
  /** Cost units of one time. */
  readonly cost: number;
  readonly times: number;
}

/** Why a request does not pass: the first of its calls that may not be. */
export type CallsFault =
  | { readonly reason: "unknown_operation" }
  | { readonly reason: "not_granted"; readonly unit: AccessUnit };

/**
 * Decides a request by everything in it: each of its calls must be an operation that may be called,
 * and one that may not refuses them all.
 *
 * @param calls for each call the operations that it could be; none for a call that the catalogue does not know
 */
export function judgeCalls(
  upstream: string,
  calls: readonly (readonly ResolvedCall[])[],
  mayCall: (unit: AccessUnit) => boolean,
): Result<readonly UnitCall[], CallsFault> {
  const judged = new Map<AccessUnit, UnitCall>();
  for (const meanings of calls) {
    const [first] = meanings;
    if (first === undefined) return err({ reason: "unknown_operation" });
    const chosen = meanings.find((call) => mayCall(operationUnit(upstream, call.operation, call.location)));
    if (chosen === undefined)
      return err({ reason: "not_granted", unit: operationUnit(upstream, first.operation, first.location) });
    const { access, cost } = chosen;
    const unit = operationUnit(upstream, chosen.operation, chosen.location);
    judged.set(unit, { unit, access, cost, times: (judged.get(unit)?.times ?? 0) + 1 });
  }
  return judged.size === 0 ? err({ reason: "unknown_operation" }) : ok([...judged.values()]);
}

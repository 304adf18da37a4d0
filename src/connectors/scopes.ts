import type { UpstreamAccess } from "../domain/access.ts";
import type { Catalogue, Operation } from "../domain/tenant.ts";
import type { UpstreamEnforcement } from "./connector.ts";

/** The operations that a grant names, as the catalogue has them. */
export function operationsOf(access: readonly UpstreamAccess[], catalogue: Catalogue): Operation[] {
  return access
    .flatMap(({ actions }) => actions)
    .flatMap((action) => (Object.hasOwn(catalogue.operations, action) ? [catalogue.operations[action]!] : []));
}

/** The scopes that these operations need together; undefined where one of them does not say. */
export function scopesOf(operations: readonly Operation[]): string[] | undefined {
  if (operations.some(({ scopes }) => scopes === undefined)) return undefined;
  return [...new Set(operations.flatMap(({ scopes = [] }) => scopes))].toSorted();
}

/** Scopes hold a credential to kinds of access; where one of the operations has none, to nothing. */
export function narrowingByScope(operations: readonly Operation[]): UpstreamEnforcement {
  return scopesOf(operations) === undefined ? "proxy" : "scope";
}

/** RFC 6749 §3.3: words between single spaces, in no order. */
export function readScope(scope: string): string[] {
  return scope.split(" ").filter((word) => word !== "");
}

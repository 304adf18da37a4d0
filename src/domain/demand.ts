import { operationUnit, partsOf, toolUnit, withoutLocation, type AccessUnit } from "./access.ts";
import { parseDuration } from "./duration.ts";
import { compileGuardPattern } from "./pattern.ts";
import {
  involvesPasskey,
  involvesSso,
  type Assurance,
  type AssuranceRule,
  type Catalogue,
  type TrustPolicy,
} from "./tenant.ts";

/** What there is to be granted, as far as a demand asks. */
export interface Territory {
  readonly upstreams: ReadonlyMap<string, { readonly catalogue: Catalogue }>;
  readonly servers: ReadonlyMap<string, { readonly tools: { readonly [name: string]: { access: "read" | "write" } } }>;
}

/** How well an approver must be known for these units over this time. More of either never demands less. */
export type Demand = (units: readonly AccessUnit[], seconds: number) => Assurance;

/** Compiles what a policy says of assurance: all that the rules which fit ask for, together. */
export function compileDemand(assurance: TrustPolicy["assurance"], territory: Territory): Demand {
  if (typeof assurance === "string") return () => assurance;
  const rules = assurance.map((rule) => ({ level: rule.level, fits: compileRule(rule, territory) }));
  return (units, seconds) => highest(...rules.filter(({ fits }) => fits(units, seconds)).map(({ level }) => level));
}

type Fits = (units: readonly AccessUnit[], seconds: number) => boolean;

function compileRule({ access, units: patterns, longer_than }: AssuranceRule, territory: Territory): Fits {
  const matchers = patterns?.map(compileGuardPattern);
  const atLeastSeconds = longer_than === undefined ? -1 : (parseDuration(longer_than) ?? -1);
  const concerns = (unit: AccessUnit): boolean =>
    (access === undefined || accessOf(unit, territory) === "write") &&
    (matchers === undefined || matchers.some((matches) => matches(unit)));
  return (units, seconds) => seconds > atLeastSeconds && units.some(concerns);
}

/** Whether a unit may write. What is not known may. */
function accessOf(unit: AccessUnit, { upstreams, servers }: Territory): "read" | "write" {
  const parts = partsOf(unit);
  const found =
    parts.kind === "tool"
      ? servers.get(parts.server)?.tools[parts.tool]
      : upstreams.get(parts.upstream)?.catalogue.operations[parts.operation];
  return found?.access ?? "write";
}

/** Whether a pattern can match anything there is. One that cannot was misspelt, and would demand nothing. */
export function matchesSomething(pattern: string, { upstreams, servers }: Territory): boolean {
  const parts = partsOf(pattern);
  const matches = compileGuardPattern(withoutLocation(pattern));
  if (parts.kind === "tool")
    return [...servers].some(([id, { tools }]) => Object.keys(tools).some((tool) => matches(toolUnit(id, tool))));
  const { upstream } = parts;
  const namesPlaces = parts.location !== undefined;
  return Object.entries(upstreams.get(upstream)?.catalogue.operations ?? {}).some(
    ([name, { location }]) =>
      matches(operationUnit(upstream, name)) &&
      (!namesPlaces || location !== undefined) &&
      (namesPlaces || location === undefined || pattern.endsWith("*")),
  );
}

/** Whether somebody known at `offered` may decide what demands `demanded`. */
export function meets(offered: Assurance, demanded: Assurance): boolean {
  return (involvesSso(offered) || !involvesSso(demanded)) && (involvesPasskey(offered) || !involvesPasskey(demanded));
}

/**
 * What meets all of some levels; the lowest there is, of none. A passkey does not say what a sign-in
 * says, nor the other way round: where one is asked here and one there, both are.
 */
export function highest(...levels: readonly Assurance[]): Assurance {
  if (levels.some(involvesSso)) return levels.some(involvesPasskey) ? "sso+passkey" : "sso";
  return levels.some(involvesPasskey) ? "passkey" : "link";
}

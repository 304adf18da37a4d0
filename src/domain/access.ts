import { canonicalJson } from "./canonical-json.ts";
import { areWithin, tightest, type Limits } from "./limits.ts";

/** Access to operations of one upstream, at named locations. RFC 9396 type `upstream_access`. */
export interface UpstreamAccess {
  readonly type: "upstream_access";
  readonly upstream: string;
  /** Operation names of the upstream's catalogue. */
  readonly actions: readonly string[];
  /** Concrete locations, such as repositories; absent for operations that know none. */
  readonly locations?: readonly string[] | undefined;
  /** How much of the upstream the session may use in all, through this entry or any other; see {@link limitsOf}. */
  readonly limits?: Limits | undefined;
}

/** Access to tools of one registered MCP server. RFC 9396 type `mcp_tools`. */
export interface McpTools {
  readonly type: "mcp_tools";
  readonly server: string;
  /** Tool names. */
  readonly actions: readonly string[];
  /** How much of the server the session may use in all, through this entry or any other. */
  readonly limits?: Limits | undefined;
}

/** One entry of `authorization_details`, RFC 9396 §2. */
export type AccessDetail = UpstreamAccess | McpTools;

/**
 * The smallest thing that can be granted: one operation at one location (or at none), or one tool.
 * Written `upstream:operation@location` or `mcp:server:tool`; two accesses are the same when these
 * strings are equal, so a set of accesses is a set of strings.
 */
export type AccessUnit = string;

/** The units that an entry is made of. */
export function unitsOf(detail: AccessDetail): AccessUnit[] {
  switch (detail.type) {
    case "mcp_tools":
      return detail.actions.map((tool) => toolUnit(detail.server, tool));
    case "upstream_access":
      return detail.actions.flatMap((action) =>
        detail.locations === undefined
          ? [operationUnit(detail.upstream, action)]
          : detail.locations.map((location) => operationUnit(detail.upstream, action, location)),
      );
  }
}

/** In the place of an upstream's id, before a server's: no upstream may be called so. */
const TOOLS = "mcp";

/** What a unit names. */
export type UnitParts =
  | {
      readonly kind: "operation";
      readonly upstream: string;
      readonly operation: string;
      readonly location: string | undefined;
    }
  | { readonly kind: "tool"; readonly server: string; readonly tool: string };

/** The inverse of {@link operationUnit} and {@link toolUnit}: neither an upstream's nor a server's id has a colon. */
export function partsOf(unit: AccessUnit): UnitParts {
  const [upstream, rest = ""] = splitAt(":", unit);
  if (upstream === TOOLS) {
    const [server, tool = ""] = splitAt(":", rest);
    return { kind: "tool", server, tool };
  }
  const [operation, location] = splitAt("@", rest);
  return { kind: "operation", upstream, operation, location };
}

/** The operation of a unit, wherever it is granted; of a tool, the unit itself. */
export function withoutLocation(unit: AccessUnit): AccessUnit {
  return splitAt("@", unit)[0];
}

/** What stands before the first mark, and what stands behind it. */
function splitAt(mark: ":" | "@", text: string): [before: string, behind?: string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

export function operationUnit(upstream: string, operation: string, location?: string): AccessUnit {
  return location === undefined ? `${upstream}:${operation}` : `${upstream}:${operation}@${location}`;
}

export function toolUnit(server: string, tool: string): AccessUnit {
  return `${TOOLS}:${server}:${tool}`;
}

/**
 * Where use is counted, and what limits are of: an upstream, by its id, or a server, as `mcp:` and its
 * id. No upstream's id has a colon.
 */
export type Place = string;

export function serverPlace(server: string): Place {
  return `${TOOLS}:${server}`;
}

/** The id of the server that a place is, if it is one. */
export function serverOf(place: Place): string | undefined {
  return place.startsWith(`${TOOLS}:`) ? place.slice(TOOLS.length + 1) : undefined;
}

function placeOf(detail: AccessDetail): Place {
  return detail.type === "mcp_tools" ? serverPlace(detail.server) : detail.upstream;
}

/** The places that these entries give access to. */
export function placesOf(details: readonly AccessDetail[]): Place[] {
  return [...new Set(details.map(placeOf))];
}

/**
 * The limits at a place. They are of the place and not of the entry, the smallest of each: if an
 * entry had a count of its own, narrowing that splits it in two would double what it allows.
 */
export function limitsOf(details: readonly AccessDetail[], place: Place): Limits {
  return tightest(details.flatMap((detail) => (placeOf(detail) === place ? (detail.limits ?? []) : [])));
}

/** The entries with no more than these limits at each place, the same in every entry of one. */
export function limit(
  details: readonly AccessDetail[],
  limitsAt: (place: Place) => Limits | undefined,
): AccessDetail[] {
  return details.map((detail) => {
    const place = placeOf(detail);
    const limits = tightest([limitsOf(details, place), limitsAt(place)]);
    return Object.keys(limits).length === 0 ? detail : { ...detail, limits };
  });
}

/**
 * Whether every unit of `inner` is a unit of `outer`, and no limit at a place is higher or left
 * out: the one meaning of "narrower or equal".
 */
export function isWithin(inner: readonly AccessDetail[], outer: readonly AccessDetail[]): boolean {
  const allowed = new Set(outer.flatMap(unitsOf));
  return (
    inner.flatMap(unitsOf).every((unit) => allowed.has(unit)) &&
    placesOf(inner).every((place) => areWithin(limitsOf(inner, place), limitsOf(outer, place)))
  );
}

/**
 * Whether `next` holds every unit of `held`, under limits that are no higher anywhere: what
 * comes on top takes nothing away, and what was signed about how much may be used goes on.
 */
export function continues(next: readonly AccessDetail[], held: readonly AccessDetail[]): boolean {
  const units = new Set(next.flatMap(unitsOf));
  return (
    held.flatMap(unitsOf).every((unit) => units.has(unit)) &&
    placesOf(held).every((place) => areWithin(limitsOf(next, place), limitsOf(held, place)))
  );
}

/** The units of `next` that `held` has not. */
export function unitsBeyond(next: readonly AccessDetail[], held: readonly AccessDetail[]): AccessUnit[] {
  const units = new Set(held.flatMap(unitsOf));
  return next.flatMap(unitsOf).filter((unit) => !units.has(unit));
}

/** The entries with only those units that `keep` accepts; entries left without any are dropped. */
export function narrow(
  details: readonly AccessDetail[],
  keep: (unit: AccessUnit, detail: AccessDetail) => boolean,
): AccessDetail[] {
  return details.flatMap((detail) => narrowOne(detail, (unit) => keep(unit, detail)));
}

function narrowOne(detail: AccessDetail, keep: (unit: AccessUnit) => boolean): AccessDetail[] {
  if (detail.type === "mcp_tools") {
    const actions = detail.actions.filter((tool) => keep(toolUnit(detail.server, tool)));
    return actions.length === 0 ? [] : [{ ...detail, actions }];
  }
  const { upstream, locations } = detail;
  if (locations === undefined) {
    const actions = detail.actions.filter((action) => keep(operationUnit(upstream, action)));
    return actions.length === 0 ? [] : [{ ...detail, actions }];
  }
  // What is left of an entry need not be a full rectangle of actions and locations, so actions that
  // keep the same locations share an entry.
  const byLocations = new Map<string, { actions: string[]; locations: string[] }>();
  for (const action of detail.actions) {
    const kept = locations.filter((location) => keep(operationUnit(upstream, action, location)));
    if (kept.length === 0) continue;
    const key = canonicalJson(kept);
    const group = byLocations.get(key);
    if (group === undefined) byLocations.set(key, { actions: [action], locations: kept });
    else group.actions.push(action);
  }
  return [...byLocations.values()].map((group) => ({ ...detail, ...group }));
}

/** The units of `details` that `allowed` has too, as entries, within the limits of both. */
export function intersect(details: readonly AccessDetail[], allowed: readonly AccessDetail[]): AccessDetail[] {
  const units = new Set(allowed.flatMap(unitsOf));
  const both = limit(details, (place) => limitsOf(allowed, place));
  return narrow(both, (unit) => units.has(unit));
}

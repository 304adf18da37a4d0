import { unitsOf, type AccessDetail } from "./access.ts";

/** `mcp:server:tool` */
const TOOL = /^mcp:([a-z0-9][a-z0-9._-]{0,63}):([A-Za-z0-9_][A-Za-z0-9_./-]{0,127})$/;
/** `upstream:operation@location`, the location left out where the operation knows none. */
const OPERATION = /^(?!mcp:)([a-z0-9][a-z0-9._-]{0,63}):([A-Za-z0-9][A-Za-z0-9:._-]{0,99})(?:@([!-)+-~]{1,200}))?$/;

/** Said by OpenID Connect clients out of habit. It asks for an ID token, which Stint never issues. */
const OPENID = "openid";

/**
 * Reads a `scope` (RFC 6749 §3.3) whose tokens are units of access in their short form. What belongs
 * together becomes one entry, so that a scope and the `authorization_details` it stands for are one
 * request.
 *
 * @returns the entries, none for an empty scope; undefined when a token is no unit
 */
export function readScope(scope: string): AccessDetail[] | undefined {
  const entries = new Map<string, { detail: AccessDetail; actions: Set<string> }>();
  for (const token of scope.split(" ")) {
    if (token === OPENID) continue;
    const detail = readUnit(token);
    if (detail === undefined) return undefined;
    const { actions, ...rest } = detail;
    const key = JSON.stringify(rest);
    const entry = entries.get(key) ?? { detail, actions: new Set() };
    for (const action of actions) entry.actions.add(action);
    entries.set(key, entry);
  }
  return [...entries.values()].map(({ detail, actions }) => ({ ...detail, actions: [...actions] }));
}

function readUnit(token: string): AccessDetail | undefined {
  const tool = TOOL.exec(token);
  if (tool !== null) return { type: "mcp_tools", server: tool[1]!, actions: [tool[2]!] };
  const operation = OPERATION.exec(token);
  if (operation === null) return undefined;
  const [, upstream, action, location] = operation;
  const base = { type: "upstream_access" as const, upstream: upstream!, actions: [action!] };
  return location === undefined ? base : { ...base, locations: [location] };
}

/** The `scope` that says the same as these entries. */
export function scopeOf(details: readonly AccessDetail[]): string {
  return [...new Set(details.flatMap(unitsOf))].join(" ");
}

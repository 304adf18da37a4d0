import { operationUnit, toolUnit, type AccessDetail, type AccessUnit } from "./access.ts";
import type { CompiledPolicy, CompiledTenant, CompiledUpstream } from "./compiled-tenant.ts";
import { isLinked } from "./linked-account.ts";
import type { Server } from "./tenant.ts";

/**
 * What a client gets to ask for at a server when it names nothing: the tools that only read, as far
 * as the policy lets it. To write, a client has to say so.
 */
export function usualAccess(server: Server, allowed: (unit: AccessUnit) => boolean): AccessDetail[] {
  const actions = Object.entries(server.tools)
    .filter(([name, { access }]) => access === "read" && allowed(toolUnit(server.id, name)))
    .map(([name]) => name);
  return actions.length === 0 ? [] : [{ type: "mcp_tools", server: server.id, actions }];
}

/**
 * What a client is taken to ask for when its scope is tools of the server that it goes to: those that the
 * policy lets it have. MCP clients ask for every tool that a server's metadata lists, and know of no
 * policy; RFC 6749 §3.3 lets a part of a scope be left out, and the answer says which is left. Where nothing
 * would be left, or anything else is asked for, it stays as it is and is judged as a whole.
 */
export function allowedTools(
  asked: readonly AccessDetail[],
  server: Server,
  allowed: (unit: AccessUnit) => boolean,
): readonly AccessDetail[] {
  const actions: string[] = [];
  for (const detail of asked) {
    const isOfServer = detail.type === "mcp_tools" && detail.server === server.id;
    if (!isOfServer || !detail.actions.every((name) => Object.hasOwn(server.tools, name))) return asked;
    actions.push(...detail.actions.filter((name) => allowed(toolUnit(server.id, name))));
  }
  return actions.length === 0 ? asked : [{ type: "mcp_tools", server: server.id, actions: [...new Set(actions)] }];
}

/**
 * What a client gets to ask for at Stint's own tools when it names nothing: the operations that only
 * read, of one policy of its, since one has to cover all of a request; and only where the policy
 * writes the place out, because what a `*` stands for has to be said by somebody.
 *
 * @param policies those that name the client, in the document's order
 */
export function usualReading(tenant: CompiledTenant, policies: readonly CompiledPolicy[]): AccessDetail[] {
  for (const compiled of policies) {
    const details = [...tenant.upstreams.values()].flatMap((upstream) => readingOf(upstream, compiled));
    if (details.length > 0) return details;
  }
  return [];
}

function readingOf({ upstream, catalogue }: CompiledUpstream, { policy, allows }: CompiledPolicy): AccessDetail[] {
  // A linked account is somebody's, and an authorization request does not say whose.
  if (isLinked(upstream)) return [];
  const reads = Object.entries(catalogue.operations).filter(([, { access }]) => access === "read");
  const allowedAt = (location: string | undefined): string[] =>
    reads
      .filter(([, operation]) => (operation.location === undefined) === (location === undefined))
      .map(([name]) => name)
      .filter((name) => allows(operationUnit(upstream.id, name, location)));
  const places = policy.allow
    .filter((pattern) => pattern.startsWith(`${upstream.id}:`))
    .map((pattern) => /^[^@]+@([^*]+)$/.exec(pattern)?.[1]);
  return [...new Set(places)].flatMap((location): AccessDetail[] => {
    const actions = allowedAt(location);
    if (actions.length === 0) return [];
    const locations = location === undefined ? {} : { locations: [location] };
    return [{ type: "upstream_access", upstream: upstream.id, actions, ...locations }];
  });
}

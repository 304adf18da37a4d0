import { toolUnit, type AccessDetail, type AccessUnit } from "./access.ts";
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

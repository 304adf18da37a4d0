import { limitsOf, placesOf, serverOf, type AccessDetail, type Place } from "./access.ts";
import type { CompiledTenant } from "./compiled-tenant.ts";
import type { Server } from "./tenant.ts";

/**
 * Whether Stint sees what a session does at a place, and so can count it: at an upstream, and at a
 * remote server through the gateway. Not at a local server, which its own agent starts, and not at one
 * whose token a client in a browser asks for itself.
 *
 * @param resource the one audience that an authorization request names
 */
export function isCounted(tenant: CompiledTenant, place: Place, resource?: string): boolean {
  const server = serverAt(tenant, place);
  return server === undefined || (server.trust === "remote" && server.resource !== resource);
}

/** A server at which limits are stated and nobody could count. */
export function uncountedServer(
  tenant: CompiledTenant,
  details: readonly AccessDetail[],
  resource?: string,
): string | undefined {
  const place = placesOf(details).find(
    (one) => Object.keys(limitsOf(details, one)).length > 0 && !isCounted(tenant, one, resource),
  );
  return place === undefined ? undefined : serverAt(tenant, place)?.id;
}

/** The server that a place is, if it is one. */
export function serverAt(tenant: CompiledTenant, place: Place): Server | undefined {
  const id = serverOf(place);
  return id === undefined ? undefined : tenant.servers.get(id);
}

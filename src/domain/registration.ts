import type { CompiledTenant } from "./compiled-tenant.ts";
import type { MetadataHost, Trust } from "./tenant.ts";

/** Longer than any metadata document's address needs to be. */
const MAX_CLIENT_ID_LENGTH = 300;

/** What a tenant says of an agent, whether it registered it or welcomes its host. */
export interface Registration {
  readonly client_id: string;
  readonly name: string;
  readonly owner: string;
  readonly trust: Trust;
}

/** The agent of this `client_id`, if the tenant has one; a registration goes before a welcome host. */
export function registrationOf(tenant: CompiledTenant, clientId: string): Registration | undefined {
  const agent = tenant.agents.get(clientId);
  if (agent !== undefined) return agent;
  const host = metadataHostOf(tenant, clientId);
  return host === undefined
    ? undefined
    : { client_id: clientId, name: host.host, owner: host.owner, trust: host.trust };
}

/** The welcome host that this `client_id` lives on. */
export function metadataHostOf(tenant: CompiledTenant, clientId: string): MetadataHost | undefined {
  const host = metadataDocumentHost(clientId);
  return host === undefined
    ? undefined
    : tenant.document.client_metadata_hosts.find((welcome) => welcome.host === host);
}

/**
 * The host of a `client_id` that is the address of a metadata document, or undefined when it is none:
 * https, with a path, written exactly as it is fetched. A parser that mends the text (dot segments,
 * backslashes, tabs, upper case) has changed it, and two spellings of one client would be two clients.
 */
export function metadataDocumentHost(clientId: string): string | undefined {
  if (clientId.length > MAX_CLIENT_ID_LENGTH || !clientId.startsWith("https://") || !URL.canParse(clientId))
    return undefined;
  const url = new URL(clientId);
  if (url.href !== clientId || url.username !== "" || url.password !== "" || clientId.includes("#")) return undefined;
  if (url.pathname === "/" || DOT_SEGMENT.test(clientId)) return undefined;
  return url.host;
}

/** A segment of dots, plain or percent-encoded. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:[/?]|$)/i;

/** Whether a policy's list of agents means this client. */
export function namesAgent(agents: readonly string[], clientId: string): boolean {
  if (clientId.startsWith("host:")) return false;
  if (agents.includes(clientId)) return true;
  const host = metadataDocumentHost(clientId);
  return host !== undefined && agents.includes(`host:${host}`);
}

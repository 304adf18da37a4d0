import type { TenantDocument } from "./tenant.ts";

/** Whom a document knows, as far as documents name them. */
type Known = Partial<Pick<TenantDocument, "agents" | "client_metadata_hosts" | "people">>;

/**
 * The clients that one document knows and the next does not. Without their being cut off, their
 * sessions would only sleep, and wake for whoever is given the same name later.
 *
 * @param clientsOn clients with open sessions whose metadata document is on a host
 */
export function leaversOf(before: Known, after: Known, clientsOn: (host: string) => readonly string[]): string[] {
  const stay = new Set(after.agents?.map(({ client_id }) => client_id));
  const hosts = new Set(after.client_metadata_hosts?.map(({ host }) => host));
  const agents = (before.agents ?? []).map(({ client_id }) => client_id);
  const strangers = (before.client_metadata_hosts ?? [])
    .filter(({ host }) => !hosts.has(host))
    .flatMap(({ host }) => clientsOn(host));
  return [...agents, ...strangers].filter((id) => !stay.has(id));
}

/** The people whom one document knows and the next does not. */
export function peopleWhoLeave(before: Pick<Known, "people">, after: Pick<Known, "people">): string[] {
  const stay = new Set(after.people?.map(({ id }) => id));
  return (before.people ?? []).map(({ id }) => id).filter((id) => !stay.has(id));
}

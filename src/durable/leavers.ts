import type { TenantDocument } from "../domain/tenant.ts";
import type { Journal } from "./journal.ts";

/**
 * What an isolate that has not heard of the new document may still let in: what it knows is at most
 * this old.
 */
const HEARSAY_SECONDS = 5;
const REASON = "taken out of the tenant's document";

/** What a document says of who may be an agent. */
type Known = Pick<TenantDocument, "agents" | "client_metadata_hosts">;

/**
 * Cuts off the agents that a new document no longer knows, in the transaction that stores it. Without
 * it, their sessions would only sleep, and wake for whoever is given the same name later.
 *
 * @returns the sessions to be told
 */
export function cutOffLeavers(
  sql: SqlStorage,
  journal: Journal,
  before: Partial<Known>,
  after: Partial<Known>,
  now: number,
): string[] {
  const stay = new Set(after.agents?.map(({ client_id }) => client_id));
  const hosts = new Set(after.client_metadata_hosts?.map(({ host }) => host));
  const agents = (before.agents ?? []).map(({ client_id }) => client_id).filter((id) => !stay.has(id));
  const strangers = (before.client_metadata_hosts ?? [])
    .filter(({ host }) => !hosts.has(host))
    .flatMap(({ host }) => clientsOn(host, sql));
  return [...agents, ...strangers].flatMap((id) => {
    sql.exec(
      "INSERT INTO killed (client_id, until) VALUES (?, ?) ON CONFLICT (client_id) DO UPDATE SET until = excluded.until",
      id,
      now + HEARSAY_SECONDS,
    );
    journal.append("agent.revoked", { id, reason: REASON }, now);
    return sql
      .exec<{ session_id: string }>("SELECT session_id FROM session WHERE client_id = ? AND status <> 'ended'", id)
      .toArray()
      .map(({ session_id }) => session_id);
  });
}

/** Clients with sessions that are known by a metadata document on this host. */
function clientsOn(host: string, sql: SqlStorage): string[] {
  return sql
    .exec<{ client_id: string }>(
      "SELECT DISTINCT client_id FROM session WHERE status <> 'ended' AND instr(client_id, ?) = 1",
      `https://${host}/`,
    )
    .toArray()
    .map(({ client_id }) => client_id);
}

import type { AccessDetail } from "./access.ts";
import type { CompiledTenant } from "./compiled-tenant.ts";
import type { Person } from "./tenant.ts";

/** The word that names whoever owns all that a request touches: upstreams, and servers for their tools. */
export const OWNER_WORD = "owner:upstream";

/** What a request touches, as far as its approvers depend on it. */
type Touched = readonly AccessDetail[];

/** Those of `people` whom a policy's words name, for a request of this access. */
export function namedPeople(tenant: CompiledTenant, words: readonly string[], touched: Touched): Person[] {
  return [...tenant.people.values()].filter((person) => isNamed(tenant, person, words, touched));
}

export function isNamed(tenant: CompiledTenant, person: Person, words: readonly string[], touched: Touched): boolean {
  if (!person.roles.includes("approver")) return false;
  return (
    words.includes(person.id) ||
    person.groups.some((group) => words.includes(`group:${group}`)) ||
    (words.includes(OWNER_WORD) && soleOwner(tenant, touched) === person.id)
  );
}

/**
 * The one person who owns everything that is touched. Where two own parts of it, neither may decide
 * over the other's, so the word names nobody.
 */
function soleOwner(tenant: CompiledTenant, touched: Touched): string | undefined {
  const owners = ownersOf(tenant, touched);
  return owners.length === 1 ? owners[0] : undefined;
}

/** Everybody who owns a part of what is touched; undefined stands for a part that nobody owns. */
export function ownersOf(tenant: CompiledTenant, touched: Touched): (string | undefined)[] {
  const owners = touched.map((detail) =>
    detail.type === "mcp_tools"
      ? tenant.servers.get(detail.server)?.owner
      : tenant.upstreams.get(detail.upstream)?.upstream.owner,
  );
  return [...new Set(owners)];
}

import { namedPeople, OWNER_WORD } from "./approvers.ts";
import type { CompiledTenant, DocumentProblem } from "./compiled-tenant.ts";
import { compilePattern } from "./pattern.ts";
import type { TrustPolicy } from "./tenant.ts";

/**
 * Policies that let nobody do anything, because a word in them leads nowhere: more often misspelt than
 * meant. They are no problem, because nothing comes of them.
 */
export function idlePolicies(tenant: CompiledTenant): DocumentProblem[] {
  return tenant.document.policies.flatMap((policy, at) => [
    ...policy.allow.flatMap((pattern, of) => {
      const message = whyIdle(pattern, tenant);
      return message === undefined ? [] : [{ path: `/policies/${at}/allow/${of}`, message }];
    }),
    ...undecided(policy, tenant).map((message) => ({ path: `/policies/${at}/approvers`, message })),
  ]);
}

/** Why a pattern covers nothing that could be asked for; undefined where it covers something. */
function whyIdle(pattern: string, { upstreams, servers }: CompiledTenant): string | undefined {
  if (pattern.startsWith("mcp:")) {
    const matches = compilePattern(pattern);
    const covered = [...servers].some(([id, { tools }]) =>
      Object.keys(tools).some((tool) => matches(`mcp:${id}:${tool}`)),
    );
    return covered ? undefined : `"${pattern}" matches no tool of a registered server`;
  }
  const named = [...upstreams].flatMap(([id, { catalogue }]) =>
    Object.entries(catalogue.operations)
      .filter(([name]) => compilePattern(pattern.split("@", 1)[0] ?? "")(`${id}:${name}`))
      .map(([name, { location }]) => ({ unit: `${id}:${name}`, location })),
  );
  if (named.length === 0) return `"${pattern}" matches no operation of a configured upstream`;
  if (named.some(({ unit, location }) => covers(pattern, unit, location))) return undefined;
  const location = named[0]?.location;
  return location === undefined
    ? `"${pattern}" names a place, and what it matches knows no locations: leave @ and what follows away`
    : `"${pattern}" matches no place: what it names is granted by location, written as ${location}, with * for a part of it`;
}

/** Whether a pattern that names an operation covers it at some place, or without one where it knows none. */
function covers(pattern: string, unit: string, location: string | undefined): boolean {
  const [, place] = pattern.split("@");
  if (location === undefined) return place === undefined;
  // A form with more than plain parts may read anything off a path.
  if (/[+*{}()]/.test(location)) return true;
  if (place === undefined) return compilePattern(pattern)(`${unit}@${location}`);
  return place.split("/").length === location.split("/").length;
}

/** Why nobody could decide what a policy allows. What an owner decides depends on what is asked for. */
function undecided(policy: TrustPolicy, tenant: CompiledTenant): string[] {
  const words = [...policy.approvers, ...(policy.escalate?.to ?? [])];
  if (words.includes(OWNER_WORD)) return [];
  const people = namedPeople(tenant, words, []).map(({ id }) => id);
  if (people.length === 0) return [`policy ${policy.id} names nobody who has the role approver: nobody can decide`];
  if (people.length < policy.quorum)
    return [
      `policy ${policy.id} wants ${policy.quorum} approvals and names ${people.length} who have the role approver`,
    ];
  if (policy.solo) return [];
  return policy.agents.flatMap((clientId) => {
    const owner = tenant.agents.get(clientId)?.owner;
    return people.every((id) => id === owner)
      ? [`only ${owner} could decide for ${clientId}, and owns it: name somebody else, or write "solo": true`]
      : [];
  });
}

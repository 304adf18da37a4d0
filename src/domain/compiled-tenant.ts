import { absenceFault, type Absence, type Absences } from "./absence.ts";
import { OWNER_WORD } from "./approvers.ts";
import { compileEndpoints, type EndpointFinder } from "./body-calls.ts";
import { compileDemand, matchesSomething, type Demand, type Territory } from "./demand.ts";
import { compileCatalogue, restrictCatalogue, type CallResolver } from "./operations.ts";
import { compilePatterns } from "./pattern.ts";
import { parseDuration } from "./duration.ts";
import { secondsOf } from "./moment.ts";
import { checkHandOuts } from "./hand-out.ts";
import type { AccessUnit } from "./access.ts";
import { metadataDocumentHost } from "./registration.ts";
import { assuranceLevels, involvesSso } from "./tenant.ts";
import type { AgentRegistration, Catalogue, Person, Server, TenantDocument, TrustPolicy } from "./tenant.ts";
import type { Upstream } from "./upstream.ts";
import { checkUpstream } from "./upstream-problems.ts";

/** A tenant's document, ready to be asked: looked up by id, patterns and catalogues compiled. */
export interface CompiledTenant {
  readonly document: TenantDocument;
  readonly agents: ReadonlyMap<string, AgentRegistration>;
  readonly people: ReadonlyMap<string, Person>;
  readonly absences: Absences;
  readonly upstreams: ReadonlyMap<string, CompiledUpstream>;
  readonly servers: ReadonlyMap<string, Server>;
  readonly policies: readonly CompiledPolicy[];
}

export interface CompiledUpstream {
  readonly upstream: Upstream;
  readonly catalogue: Catalogue;
  readonly resolve: CallResolver;
  /** Goes before {@link resolve}: a path that is an endpoint is judged by the body alone. */
  readonly endpoint: EndpointFinder;
}

export interface CompiledPolicy {
  readonly policy: TrustPolicy;
  readonly maxDurationSeconds: number;
  readonly allows: (unit: AccessUnit) => boolean;
  readonly demands: Demand;
}

/** Finds a catalogue that ships with Stint. */
export type ShippedCatalogues = (name: string) => Catalogue | undefined;

/** Something in a document that passes its schema and still makes no sense. */
export interface DocumentProblem {
  /** A JSON pointer, RFC 6901. */
  readonly path: string;
  readonly message: string;
}

export interface Compilation {
  readonly tenant: CompiledTenant;
  /** What must be mended before the document can be applied. */
  readonly problems: readonly DocumentProblem[];
}

/**
 * Compiles a document and checks what a schema cannot: that references lead somewhere, ids are
 * unique, catalogues compile. Parts with a problem are left out of the result, so that a broken
 * document can never allow more than its sound part does.
 *
 * @param told absences that the operator told of beside the document; they count first
 */
export function compileTenant(
  document: TenantDocument,
  shipped: ShippedCatalogues,
  told: { readonly [person: string]: Absence } = {},
): Compilation {
  const problems: DocumentProblem[] = [];
  const report = (path: string, message: string): void => void problems.push({ path, message });

  const people = index("people", document.people, (person) => person.id, report);
  const agents = index("agents", document.agents, (agent) => agent.client_id, report);
  const servers = index("servers", document.servers, (server) => server.id, report);
  const upstreams = compileUpstreams(document, shipped, report);
  const absences = compileAbsences(document.people, people, told, report);
  checkOwners(document, people, report);
  checkClients(document, report);
  checkSignOn(document, report);
  checkServers(document, agents, upstreams, report);
  for (const { path, message } of checkHandOuts(document)) report(path, message);
  const policies = document.policies.flatMap((policy, at) =>
    compilePolicy(policy, `/policies/${at}`, document, { upstreams, servers }, report),
  );
  index("policies", document.policies, (policy) => policy.id, report);

  return { tenant: { document, agents, people, absences, upstreams, servers, policies }, problems };
}

type Report = (path: string, message: string) => void;

function index<T>(name: string, items: readonly T[], idOf: (item: T) => string, report: Report): Map<string, T> {
  const found = new Map<string, T>();
  for (const [at, item] of items.entries()) {
    const id = idOf(item);
    if (found.has(id)) report(`/${name}/${at}`, `"${id}" stands twice in ${name}`);
    else found.set(id, item);
  }
  return found;
}

function compileUpstreams(
  document: TenantDocument,
  shipped: ShippedCatalogues,
  report: Report,
): Map<string, CompiledUpstream> {
  const { upstreams } = document;
  index("upstreams", upstreams, (upstream) => upstream.id, report);
  const compiled = new Map<string, CompiledUpstream>();
  for (const [at, upstream] of upstreams.entries()) {
    for (const { path, message } of checkUpstream(upstream, document)) report(`/upstreams/${at}${path}`, message);
    const path = `/upstreams/${at}/catalogue`;
    const catalogue = typeof upstream.catalogue === "string" ? shipped(upstream.catalogue) : upstream.catalogue;
    if (catalogue === undefined) {
      report(path, `no catalogue named "${String(upstream.catalogue)}" ships with Stint`);
      continue;
    }
    for (const [of, name] of (upstream.operations ?? []).entries())
      if (!Object.hasOwn(catalogue.operations, name))
        report(`/upstreams/${at}/operations/${of}`, `the catalogue has no operation "${name}"`);
    const offered = restrictCatalogue(catalogue, upstream.operations);
    const resolver = compileCatalogue(offered);
    const endpoints = compileEndpoints(offered);
    for (const part of [resolver, endpoints])
      if (!part.ok) report(`${path}/operations/${part.error.operation}`, part.error.message);
    if (resolver.ok && endpoints.ok && !compiled.has(upstream.id))
      compiled.set(upstream.id, {
        upstream,
        catalogue: offered,
        resolve: resolver.value,
        endpoint: endpoints.value,
      });
  }
  return compiled;
}

function compileAbsences(
  written: readonly Person[],
  people: ReadonlyMap<string, Person>,
  told: { readonly [person: string]: Absence },
  report: Report,
): Absences {
  const absences = new Map<string, Absence[]>();
  const keep = (id: string, absence: Absence): string | undefined => {
    const fault = absenceFault(people, id, absence);
    if (fault === undefined) absences.set(id, [...(absences.get(id) ?? []), absence]);
    return fault;
  };
  for (const [id, absence] of Object.entries(told)) keep(id, absence);
  for (const [at, { id, away }] of written.entries()) {
    if (away === undefined) continue;
    const fault = keep(id, { from: secondsOf(away.from), until: secondsOf(away.until), delegate: away.delegate });
    if (fault !== undefined) report(`/people/${at}/away`, fault);
  }
  return absences;
}

function checkOwners(document: TenantDocument, people: ReadonlyMap<string, Person>, report: Report): void {
  for (const [kind, items] of [
    ["agents", document.agents],
    ["client_metadata_hosts", document.client_metadata_hosts],
    ["servers", document.servers],
    ["upstreams", document.upstreams],
  ] as const) {
    for (const [at, { owner }] of items.entries()) {
      if (owner !== undefined && !people.has(owner)) report(`/${kind}/${at}/owner`, `"${owner}" is not one of people`);
    }
  }
}

function checkClients(document: TenantDocument, report: Report): void {
  index("client_metadata_hosts", document.client_metadata_hosts, ({ host }) => host, report);
  index("identity_providers", document.identity_providers, ({ issuer }) => issuer, report);
  for (const [at, agent] of document.agents.entries()) {
    const sources = [agent.jwks, agent.jwks_uri].filter((source) => source !== undefined).length;
    const path = `/agents/${at}`;
    if (agent.token_endpoint_auth_method === "private_key_jwt" && sources !== 1)
      report(path, "private_key_jwt needs either jwks or jwks_uri");
    if (agent.token_endpoint_auth_method === "none" && (sources > 0 || agent.redirect_uris.length === 0))
      report(path, "a public client (none) has redirect_uris and no keys");
  }
  for (const [name, items] of [
    ["servers", document.servers],
    ["identity_providers", document.identity_providers],
  ] as const) {
    for (const [at, { jwks, jwks_uri }] of items.entries())
      if ((jwks === undefined) === (jwks_uri === undefined)) report(`/${name}/${at}`, "needs either jwks or jwks_uri");
  }
  index(
    "people",
    document.people.flatMap(({ identities }) => identities),
    ({ issuer, subject }) => `${issuer} ${subject}`,
    (_, message) => report("/people", message),
  );
}

function checkSignOn({ sso, policies }: TenantDocument, report: Report): void {
  if (sso === undefined) {
    for (const [at, { assurance }] of policies.entries())
      for (const level of assuranceLevels(assurance).filter(involvesSso))
        report(`/policies/${at}/assurance`, `"${level}" needs sso to be configured`);
    return;
  }
  if ((sso.token_endpoint_auth_method === "none") !== (sso.client_secret === undefined))
    report("/sso/client_secret", "is needed unless token_endpoint_auth_method is none");
  if (parseDuration(sso.max_age) === undefined)
    report("/sso/max_age", `"${sso.max_age}" is not a duration such as 15m`);
}

function checkServers(
  document: TenantDocument,
  agents: ReadonlyMap<string, AgentRegistration>,
  upstreams: ReadonlyMap<string, CompiledUpstream>,
  report: Report,
): void {
  index(
    "servers",
    document.servers,
    (server) => server.resource,
    (path, message) => report(`${path}/resource`, message),
  );
  for (const [at, server] of document.servers.entries()) {
    // Agents and servers authenticate at the same endpoint, so their ids share one namespace.
    if (agents.has(server.id)) report(`/servers/${at}/id`, `"${server.id}" is an agent's client_id already`);
    if (server.resource === document.issuer || server.resource.startsWith(`${document.issuer}/`)) {
      report(`/servers/${at}/resource`, "a server's resource cannot lie under the issuer itself");
    }
    if (server.definitions === "signed") {
      const path = `/servers/${at}/definitions`;
      if ((server.jwks?.keys.length ?? 0) === 0) report(path, "signed needs a key in jwks, in this document");
      if (server.trust === "local") report(path, "signed is for remote servers: nobody looks at a local one");
    }
    for (const [name, tool] of Object.entries(server.tools)) {
      for (const reference of tool.operations) {
        if (!operationExists(reference, upstreams)) {
          report(`/servers/${at}/tools/${name}/operations`, `"${reference}" is no operation of a configured upstream`);
        }
      }
    }
  }
}

function operationExists(reference: string, upstreams: ReadonlyMap<string, CompiledUpstream>): boolean {
  const colon = reference.indexOf(":");
  const catalogue = upstreams.get(reference.slice(0, colon))?.catalogue;
  return catalogue !== undefined && Object.hasOwn(catalogue.operations, reference.slice(colon + 1));
}

function compilePolicy(
  policy: TrustPolicy,
  path: string,
  document: TenantDocument,
  territory: Territory,
  report: Report,
): CompiledPolicy[] {
  const maxDurationSeconds = parseDuration(policy.max_duration);
  for (const [at, clientId] of policy.agents.entries()) {
    const host = clientId.startsWith("host:") ? clientId.slice("host:".length) : metadataDocumentHost(clientId);
    const known =
      document.agents.some((agent) => agent.client_id === clientId) ||
      document.client_metadata_hosts.some((welcome) => welcome.host === host);
    if (!known) report(`${path}/agents/${at}`, `"${clientId}" is neither one of agents nor of client_metadata_hosts`);
  }
  for (const [name, list] of [
    ["approvers", policy.approvers],
    ["escalate/to", policy.escalate?.to ?? []],
  ] as const) {
    for (const [at, approver] of list.entries())
      if (
        !approver.startsWith("group:") &&
        approver !== OWNER_WORD &&
        !document.people.some((person) => person.id === approver)
      )
        report(`${path}/${name}/${at}`, `"${approver}" is neither one of people, group:NAME nor ${OWNER_WORD}`);
  }
  if (policy.escalate !== undefined && parseDuration(policy.escalate.after) === undefined)
    report(`${path}/escalate/after`, `"${policy.escalate.after}" is not a duration such as 5m`);
  if (maxDurationSeconds === undefined) {
    report(`${path}/max_duration`, `"${policy.max_duration}" is not a duration such as 30m`);
    return [];
  }
  if (!demandsSomething(policy, `${path}/assurance`, territory, report)) return [];
  const demands = compileDemand(policy.assurance, territory);
  return [{ policy, maxDurationSeconds, allows: compilePatterns(policy.allow), demands }];
}

/** Whether a policy demands some level of everything; reports patterns that could never match besides. */
function demandsSomething({ assurance }: TrustPolicy, path: string, territory: Territory, report: Report): boolean {
  if (typeof assurance === "string") return true;
  for (const [at, { units = [] }] of assurance.entries())
    for (const [unitAt, pattern] of units.entries())
      if (!matchesSomething(pattern, territory))
        report(`${path}/${at}/units/${unitAt}`, `"${pattern}" matches nothing that a catalogue or a server has`);
  const hasBase = assurance.some(
    ({ access, units, longer_than }) => access === undefined && units === undefined && longer_than === undefined,
  );
  if (!hasBase) report(path, "one rule must have a level and no condition: the least that is demanded");
  return hasBase;
}

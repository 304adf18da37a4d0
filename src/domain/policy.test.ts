import { describe, expect, it } from "vitest";
import { compileTenant, type CompiledTenant } from "./compiled-tenant.ts";
import { allowsNow, judgeAsk, limitsNow, termsNow, type Ask } from "./policy.ts";
import type { Person, TenantDocument, TrustPolicy } from "./tenant.ts";
import type { AccessDetail } from "./access.ts";

const policy: TrustPolicy = {
  id: "p",
  agents: ["bot"],
  allow: ["api:read@acme/*", "mcp:tickets:open"],
  max_duration: "30m",
  approvers: ["group:platform"],
  assurance: "link",
  solo: false,
  quorum: 1,
  enter_match_code: false,
};
const REGISTERED = {
  owner: "owner",
  jwks: { keys: [] },
  token_endpoint_auth_method: "private_key_jwt",
  redirect_uris: [],
  dpop_bound_access_tokens: true,
  trust: "local",
} as const;
const document: TenantDocument = {
  issuer: "https://stint.test",
  agents: [
    { ...REGISTERED, client_id: "bot", name: "Bot" },
    { ...REGISTERED, client_id: "free", name: "Free" },
  ],
  client_metadata_hosts: [],
  identity_providers: [],
  people: [
    { id: "dana", name: "Dana", roles: ["approver"], groups: ["platform"], identities: [] },
    { id: "owner", name: "Owner", roles: ["approver"], groups: ["platform"], identities: [] },
    { id: "guest", name: "Guest", roles: [], groups: ["platform"], identities: [] },
  ],
  upstreams: [
    {
      id: "api",
      connector: "api_key",
      base_url: "https://api.test",
      api_key: { secret: "K" },
      header: "Authorization",
      scheme: "Bearer",
      catalogue: { operations: { read: { access: "read", title: "Read", routes: ["GET /:a/:b"], location: ":a/:b" } } },
    },
  ],
  servers: [
    {
      id: "tickets",
      resource: "https://tickets.test",
      owner: "owner",
      trust: "remote",
      dpop_bound_access_tokens_required: true,
      definitions: "pinned",
      jwks: { keys: [] },
      hand_out: [],
      tools: { open: { access: "write", operations: ["api:read"] } },
    },
  ],
  policies: [policy],
  notify: {},
  limits: { open_requests_per_approver: 10 },
};
const NOW = 1_800_000_000;
const judge = (tenant: CompiledTenant, wanted: Ask) => judgeAsk(tenant, wanted, NOW);
const compile = (changes: Partial<TenantDocument> = {}) =>
  compileTenant({ ...document, ...changes }, () => undefined).tenant;
const read: AccessDetail = { type: "upstream_access", upstream: "api", actions: ["read"], locations: ["acme/api"] };
const ask = { client_id: "bot", details: [read], expiresInSeconds: 60 };

describe("judgeAsk", () => {
  it("names who decides: those the policy names who are approvers, and never the agent's owner", () => {
    expect(judge(compile(), ask)).toEqual({
      ok: true,
      value: {
        plan: { policy_id: "p", approvers: ["dana"], assurance: "link" },
        details: [read],
        expiresInSeconds: 60,
      },
    });
  });

  it("lets the owner decide only where the policy says so in words", () => {
    expect(judge(compile({ policies: [{ ...policy, solo: true }] }), ask)).toMatchObject({
      value: { plan: { approvers: ["dana", "owner"] } },
    });
  });

  it("never lets the person decide for whom the agent works", () => {
    expect(judge(compile(), { ...ask, user: "dana" })).toEqual({
      ok: false,
      error: { reason: "no_approver", policy: "p" },
    });
  });

  it.each([
    ["an agent without a policy", { ...ask, client_id: "free" }, "not_allowed"],
    ["an unknown agent", { ...ask, client_id: "nobody" }, "not_allowed"],
    ["another location", { ...ask, details: [{ ...read, locations: ["evil/api"] }] }, "not_allowed"],
    ["a location too deep", { ...ask, details: [{ ...read, locations: ["acme/api/x"] }] }, "not_allowed"],
    ["too long", { ...ask, expiresInSeconds: 1801 }, "too_long"],
    ["an unknown person", { ...ask, user: "nobody" }, "unknown_user"],
    [
      "an operation named like a prototype",
      { ...ask, details: [{ ...read, actions: ["toString"] }] },
      "unknown_access",
    ],
  ])("refuses %s", (_, wanted, reason) => {
    expect(judge(compile(), wanted as typeof ask)).toMatchObject({ ok: false, error: { reason } });
  });

  it("refuses where one policy does not cover all of it, though two together would", () => {
    const halves = [
      { ...policy, allow: ["api:read@acme/api"] },
      { ...policy, id: "q", allow: ["mcp:tickets:open"] },
    ];
    const both: AccessDetail[] = [read, { type: "mcp_tools", server: "tickets", actions: ["open"] }];
    expect(judge(compile({ policies: halves }), { ...ask, details: both })).toMatchObject({
      error: { reason: "not_allowed" },
    });
  });

  it("refuses a policy whose assurance nobody can have yet", () => {
    expect(judge(compile({ policies: [{ ...policy, assurance: "sso+passkey" }] }), ask)).toMatchObject({
      error: { reason: "assurance_not_offered" },
    });
  });

  it("gives a request the policy's limits where it names none, and leaves lower ones", () => {
    const tenant = compile({ policies: [{ ...policy, limits: { calls: 100, bytes: 1000 } }] });
    expect(judge(tenant, ask)).toMatchObject({
      value: { details: [{ ...read, limits: { calls: 100, bytes: 1000 } }] },
    });
    const fewer = { ...ask, details: [{ ...read, limits: { calls: 3, units: 7 } }] };
    expect(judge(tenant, fewer)).toMatchObject({
      value: { details: [{ ...read, limits: { calls: 3, bytes: 1000, units: 7 } }] },
    });
  });

  it("refuses a limit above the policy's, and takes the first policy that allows it", () => {
    const more = { ...ask, details: [{ ...read, limits: { calls: 101 } }] };
    const small = { ...policy, limits: { calls: 100 } };
    expect(judge(compile({ policies: [small] }), more)).toEqual({
      ok: false,
      error: { reason: "too_much", limits: "100 calls" },
    });
    const policies = [small, { ...policy, id: "large", limits: { calls: 1000 } }];
    expect(judge(compile({ policies }), more)).toMatchObject({ value: { plan: { policy_id: "large" } } });
  });

  it("limits nothing that nobody could count: a local server, and one whose own audience is asked for", () => {
    const limits = { calls: 5 };
    const tools: AccessDetail = { type: "mcp_tools", server: "tickets", actions: ["open"] };
    const policies = [{ ...policy, limits }];
    const own = { ...ask, details: [tools], resource: "https://tickets.test" };
    const refused = { ok: false, error: { reason: "not_counted", server: "tickets" } };
    expect(judge(compile({ policies }), { ...own, resource: "https://stint.test/mcp/tickets" })).toMatchObject({
      value: { details: [{ ...tools, limits }] },
    });
    expect(judge(compile({ policies }), own)).toEqual(refused);
    expect(judge(compile(), own)).toMatchObject({ ok: true });
    expect(judge(compile(), { ...own, details: [{ ...tools, limits }] })).toEqual(refused);
    const local = { policies, servers: [{ ...document.servers[0]!, trust: "local" as const }] };
    expect(judge(compile(local), { ...ask, details: [tools] })).toMatchObject({ value: { details: [tools] } });
    expect(judge(compile(local), { ...ask, details: [{ ...tools, limits }] })).toEqual(refused);
  });

  it("P18 limits every use by today's policies: the most that one of them allows, for the unit in question", () => {
    const unit = "api:read@acme/api";
    const limited = { ...policy, limits: { calls: 5, writes: 1 } };
    const other = { ...policy, id: "q", allow: ["api:read@other/*"] };
    expect(limitsNow(compile({ policies: [limited] }), "bot", unit)).toEqual({ calls: 5, writes: 1 });
    expect(limitsNow(compile({ policies: [limited, other] }), "bot", unit)).toEqual({ calls: 5, writes: 1 });
    const roomier = { ...policy, id: "r", limits: { calls: 9 } };
    expect(limitsNow(compile({ policies: [limited, roomier] }), "bot", unit)).toEqual({ calls: 9 });
  });

  it("covers agents of its own trust alone, where it names one, for the ask and for every use", () => {
    const remote = { agents: [{ ...document.agents[0]!, trust: "remote" as const }] };
    const unit = "api:read@acme/api";
    for (const [agents, trust, covers] of [
      [{}, "local", true],
      [{}, "remote", false],
      [remote, "local", false],
      [remote, "remote", true],
    ] as const) {
      const tenant = compile({ ...agents, policies: [{ ...policy, trust, limits: { calls: 5 } }] });
      expect([judge(tenant, ask).ok, allowsNow(tenant, "bot", unit)]).toEqual([covers, covers]);
      expect(limitsNow(tenant, "bot", unit)).toEqual(covers ? { calls: 5 } : {});
    }
    // Local agents read, and only remote ones write: two policies, one list of agents.
    const policies = [
      { ...policy, allow: ["mcp:tickets:open"], trust: "remote" as const },
      { ...policy, id: "all", allow: ["api:read@acme/*"] },
    ];
    const tools: AccessDetail = { type: "mcp_tools", server: "tickets", actions: ["open"] };
    expect(judge(compile({ policies }), ask)).toMatchObject({ ok: true });
    expect(judge(compile({ policies }), { ...ask, details: [tools] })).toMatchObject({
      error: { reason: "not_allowed", unit: "mcp:tickets:open" },
    });
  });

  it("lets nobody decide for an agent that is by now said to run elsewhere than they were shown", () => {
    const request = { client_id: "bot", authorization_details: [read], expires_in: 60, agent_trust: "remote" } as const;
    const plan = { policy_id: "p", approvers: ["dana"], assurance: "link" } as const;
    const permitted = (trust: "local" | "remote") =>
      termsNow(compile({ agents: [{ ...document.agents[0]!, trust }] }), "dana", plan, request, NOW).permitted;
    expect([permitted("remote"), permitted("local")]).toEqual([true, false]);
  });

  it("asks today's policy at every use", () => {
    expect(allowsNow(compile(), "bot", "api:read@acme/api")).toBe(true);
    expect(allowsNow(compile({ policies: [] }), "bot", "api:read@acme/api")).toBe(false);
    const request = { client_id: "bot", authorization_details: [read], expires_in: 60 };
    const plan = { policy_id: "p", approvers: ["dana"], assurance: "link" } as const;
    const permitted = (tenant: CompiledTenant) => termsNow(tenant, "dana", plan, request, NOW).permitted;
    expect(permitted(compile())).toBe(true);
    expect(permitted(compile({ people: [{ ...document.people[0]!, roles: [] }] }))).toBe(false);
    expect(permitted(compile({ policies: [] }))).toBe(false);
    expect(permitted(compile({ agents: [{ ...document.agents[0]!, owner: "dana" }] }))).toBe(false);
  });

  it("W03 demands what today's policy demands of a request that waits, where that is more", () => {
    const request = { client_id: "bot", authorization_details: [read], expires_in: 60 };
    const plan = { policy_id: "p", approvers: ["dana"], assurance: "sso", quorum: 2 } as const;
    const demanded = (changes: Partial<TrustPolicy>) =>
      termsNow(compile({ policies: [{ ...policy, ...changes }] }), "dana", plan, request, NOW);
    expect(demanded({})).toMatchObject({ demanded: "sso", quorum: 2 });
    expect(demanded({ assurance: "passkey", quorum: 3 })).toMatchObject({ demanded: "sso+passkey", quorum: 3 });
    expect(demanded({ assurance: [{ level: "link" }, { level: "passkey", units: ["api:*"] }] })).toMatchObject({
      demanded: "sso+passkey",
    });
  });
});

describe("the owner of an upstream, as an approver", () => {
  const tools: AccessDetail = { type: "mcp_tools", server: "tickets", actions: ["open"] };
  const owned = (upstreamOwner: string | undefined, serverOwner: string, changes: Partial<TrustPolicy> = {}) =>
    compile({
      upstreams: [{ ...document.upstreams[0]!, owner: upstreamOwner }],
      servers: [{ ...document.servers[0]!, owner: serverOwner }],
      people: [...document.people, { id: "kim", name: "Kim", roles: ["approver"], groups: [], identities: [] }],
      policies: [{ ...policy, approvers: ["owner:upstream"], ...changes }],
    });

  it.each([
    ["an upstream", [read], owned("kim", "dana"), ["kim"]],
    ["a server, for its tools", [tools], owned("dana", "kim"), ["kim"]],
    ["both, where one person owns both", [read, tools], owned("kim", "kim"), ["kim"]],
  ])("is who owns %s", (_, details, tenant, approvers) => {
    expect(judge(tenant, { ...ask, details })).toMatchObject({ value: { plan: { approvers } } });
  });

  it.each<[string, AccessDetail[], CompiledTenant, string]>([
    ["two own parts of what is asked for", [read, tools], owned("kim", "dana"), "several_owners"],
    ["nobody owns a part of it", [read, tools], owned(undefined, "kim"), "several_owners"],
    ["nobody owns it", [read], owned(undefined, "kim"), "no_approver"],
    ["W02 the owner also owns the agent", [read], owned("owner", "kim"), "no_approver"],
    ["the owner is no approver", [read], owned("guest", "kim"), "no_approver"],
  ])("is nobody where %s", (_, details, tenant, reason) => {
    expect(judge(tenant, { ...ask, details })).toMatchObject({ error: { reason } });
  });

  it("leaves the others that the policy names, and is asked later where it stands there", () => {
    expect(
      judge(owned("kim", "dana", { approvers: ["owner:upstream", "group:platform"] }), {
        ...ask,
        details: [read, tools],
      }),
    ).toMatchObject({ value: { plan: { approvers: ["dana"] } } });
    expect(
      judge(owned("kim", "x", { approvers: ["dana"], escalate: { after: "5m", to: ["owner:upstream"] } }), ask),
    ).toMatchObject({ value: { plan: { approvers: ["dana"], later: { approvers: ["kim"] } } } });
  });

  it("P3 is today's owner at the decision", () => {
    const plan = { policy_id: "p", approvers: ["kim"], assurance: "link" } as const;
    const request = { client_id: "bot", authorization_details: [read], expires_in: 60 };
    expect(termsNow(owned("kim", "x"), "kim", plan, request, NOW).permitted).toBe(true);
    expect(termsNow(owned("dana", "x"), "kim", plan, request, NOW).permitted).toBe(false);
  });
});

describe("while an approver is away", () => {
  const person = (id: string, changes: Partial<Person> = {}): Person => ({
    id,
    name: id,
    roles: ["approver"],
    groups: [],
    identities: [],
    ...changes,
  });
  const away = (delegate: string) => ({ from: "2027-01-15T00:00:00Z", until: "2027-01-16T00:00:00Z", delegate });
  const people = (...more: Person[]): Partial<TenantDocument> => ({
    people: [
      { ...document.people[0]!, away: away("kim") },
      ...document.people.slice(1),
      person("kim"),
      person("lee"),
      ...more,
    ],
  });
  const request = { client_id: "bot", authorization_details: [read], expires_in: 60 };
  const planOf = (tenant: CompiledTenant, changes: Partial<Ask> = {}) => {
    const judged = judge(tenant, { ...ask, ...changes });
    if (!judged.ok) throw new Error(judged.error.reason);
    return judged.value.plan;
  };

  it("asks the delegate as well, who decides in that person's place and not in their own right", () => {
    const tenant = compile(people());
    const plan = planOf(tenant);
    expect(plan).toMatchObject({ approvers: ["dana"], stand_ins: [{ person: "kim", for: "dana" }] });
    expect(termsNow(tenant, "kim", plan, request, NOW)).toMatchObject({ permitted: true, on_behalf_of: "dana" });
    expect(termsNow(tenant, "dana", plan, request, NOW)).not.toHaveProperty("on_behalf_of");
    expect(planOf(tenant, { approver: "dana" })).toHaveProperty("stand_ins");
    // A browser's request can only be approved by the human at that browser.
    expect(planOf(tenant, { approver: "dana", inBrowser: true })).not.toHaveProperty("stand_ins");
  });

  it.each<[string, CompiledTenant, Partial<Ask>]>([
    ["W02 owns the agent", compile({ ...people(), agents: [{ ...document.agents[0]!, owner: "kim" }] }), {}],
    [
      "owns the agent, though the policy is solo",
      compile({
        ...people(),
        agents: [{ ...document.agents[0]!, owner: "kim" }],
        policies: [{ ...policy, solo: true }],
      }),
      {},
    ],
    ["is the one it works for", compile(people()), { user: "kim" }],
    ["may decide anyway", compile({ ...people(), policies: [{ ...policy, approvers: ["dana", "kim"] }] }), {}],
    [
      "is asked later anyway",
      compile({ ...people(), policies: [{ ...policy, escalate: { after: "5m", to: ["kim"] } }] }),
      {},
    ],
  ])("nobody stands in where the delegate %s", (_, tenant, changes) => {
    expect(planOf(tenant, changes)).not.toHaveProperty("stand_ins");
  });

  it("P3 never lets a delegate decide where the absent one could not", () => {
    // The agent's owner is away; whoever stands in for them elsewhere does not approve their agent.
    const tenant = compile({
      ...people(),
      people: [document.people[0]!, { ...document.people[1]!, away: away("kim") }, person("kim")],
    });
    expect(planOf(tenant)).not.toHaveProperty("stand_ins");
  });

  it("P3 judges it again at the decision", () => {
    const plan = planOf(compile(people()));
    const permitted = (tenant: CompiledTenant, now = NOW, id = "kim") =>
      termsNow(tenant, id, plan, request, now).permitted;
    expect(permitted(compile(people()))).toBe(true);
    expect(permitted(compile(people()), NOW + 24 * 3600)).toBe(false);
    expect(permitted(compile())).toBe(false);
    expect(permitted(compile({ ...people(), policies: [{ ...policy, approvers: ["lee"] }] }))).toBe(false);
    expect(permitted(compile({ ...people(), agents: [{ ...document.agents[0]!, owner: "kim" }] }))).toBe(false);
    const elsewhere = people();
    const [dana, ...others] = elsewhere.people!;
    expect(permitted(compile({ people: [{ ...dana!, away: away("lee") }, ...others] }))).toBe(false);
    // Who came to stand in only later was not asked.
    expect(permitted(compile({ people: [{ ...dana!, away: away("lee") }, ...others] }), NOW, "lee")).toBe(false);
  });

  it("counts an absence that the operator told of before the document's", () => {
    const { tenant } = compileTenant({ ...document, ...people() }, () => undefined, {
      dana: { from: NOW, until: NOW + 60, delegate: "lee" },
      guest: { from: NOW, until: NOW + 60, delegate: "nobody" },
    });
    expect(planOf(tenant)).toMatchObject({ stand_ins: [{ person: "lee", for: "dana" }] });
  });
});

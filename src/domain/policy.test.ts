import { describe, expect, it } from "vitest";
import { compileTenant } from "./compiled-tenant.ts";
import { allowsNow, judgeAsk, limitsNow, mayDecideNow } from "./policy.ts";
import type { TenantDocument, TrustPolicy } from "./tenant.ts";
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
      jwks: { keys: [] },
      hand_out: [],
      tools: { open: { access: "write", operations: ["api:read"] } },
    },
  ],
  policies: [policy],
  notify: {},
  limits: { open_requests_per_approver: 10 },
};
const compile = (changes: Partial<TenantDocument> = {}) =>
  compileTenant({ ...document, ...changes }, () => undefined).tenant;
const read: AccessDetail = { type: "upstream_access", upstream: "api", actions: ["read"], locations: ["acme/api"] };
const ask = { clientId: "bot", details: [read], expiresInSeconds: 60 };

describe("judgeAsk", () => {
  it("names who decides: those the policy names who are approvers, and never the agent's owner", () => {
    expect(judgeAsk(compile(), ask)).toEqual({
      ok: true,
      value: {
        plan: { policy_id: "p", approvers: ["dana"], assurance: "link" },
        details: [read],
        expiresInSeconds: 60,
      },
    });
  });

  it("lets the owner decide only where the policy says so in words", () => {
    expect(judgeAsk(compile({ policies: [{ ...policy, solo: true }] }), ask)).toMatchObject({
      value: { plan: { approvers: ["dana", "owner"] } },
    });
  });

  it("never lets the person decide for whom the agent works", () => {
    expect(judgeAsk(compile(), { ...ask, user: "dana" })).toEqual({
      ok: false,
      error: { reason: "no_approver", policy: "p" },
    });
  });

  it.each([
    ["an agent without a policy", { ...ask, clientId: "free" }, "not_allowed"],
    ["an unknown agent", { ...ask, clientId: "nobody" }, "not_allowed"],
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
    expect(judgeAsk(compile(), wanted as typeof ask)).toMatchObject({ ok: false, error: { reason } });
  });

  it("refuses where one policy does not cover all of it, though two together would", () => {
    const halves = [
      { ...policy, allow: ["api:read@acme/api"] },
      { ...policy, id: "q", allow: ["mcp:tickets:open"] },
    ];
    const both: AccessDetail[] = [read, { type: "mcp_tools", server: "tickets", actions: ["open"] }];
    expect(judgeAsk(compile({ policies: halves }), { ...ask, details: both })).toMatchObject({
      error: { reason: "not_allowed" },
    });
  });

  it("refuses a policy whose assurance nobody can have yet", () => {
    expect(judgeAsk(compile({ policies: [{ ...policy, assurance: "sso+passkey" }] }), ask)).toMatchObject({
      error: { reason: "assurance_not_offered" },
    });
  });

  it("gives a request the policy's limits where it names none, and leaves lower ones", () => {
    const tenant = compile({ policies: [{ ...policy, limits: { calls: 100, bytes: 1000 } }] });
    expect(judgeAsk(tenant, ask)).toMatchObject({
      value: { details: [{ ...read, limits: { calls: 100, bytes: 1000 } }] },
    });
    const fewer = { ...ask, details: [{ ...read, limits: { calls: 3, units: 7 } }] };
    expect(judgeAsk(tenant, fewer)).toMatchObject({
      value: { details: [{ ...read, limits: { calls: 3, bytes: 1000, units: 7 } }] },
    });
  });

  it("refuses a limit above the policy's, and takes the first policy that allows it", () => {
    const more = { ...ask, details: [{ ...read, limits: { calls: 101 } }] };
    const small = { ...policy, limits: { calls: 100 } };
    expect(judgeAsk(compile({ policies: [small] }), more)).toEqual({
      ok: false,
      error: { reason: "too_much", limits: "100 calls" },
    });
    const policies = [small, { ...policy, id: "large", limits: { calls: 1000 } }];
    expect(judgeAsk(compile({ policies }), more)).toMatchObject({ value: { plan: { policy_id: "large" } } });
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

  it("asks today's policy at every use", () => {
    expect(allowsNow(compile(), "bot", "api:read@acme/api")).toBe(true);
    expect(allowsNow(compile({ policies: [] }), "bot", "api:read@acme/api")).toBe(false);
    const plan = { policy_id: "p", approvers: ["dana"], assurance: "link" } as const;
    expect(mayDecideNow(compile(), "dana", plan, { client_id: "bot" })).toBe(true);
    expect(
      mayDecideNow(compile({ people: [{ ...document.people[0]!, roles: [] }] }), "dana", plan, { client_id: "bot" }),
    ).toBe(false);
    expect(mayDecideNow(compile({ policies: [] }), "dana", plan, { client_id: "bot" })).toBe(false);
    const ownedByDana = compile({ agents: [{ ...document.agents[0]!, owner: "dana" }] });
    expect(mayDecideNow(ownedByDana, "dana", plan, { client_id: "bot" })).toBe(false);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isWithin, unitsOf, type AccessDetail } from "./access.ts";
import { MAX_ACCESS_TOKEN_SECONDS, planCodeToken, planExchange, type ExchangeAsk } from "./exchange.ts";

const NOW = 1_800_000_000;
const read: AccessDetail = {
  type: "upstream_access",
  upstream: "github",
  actions: ["issues:read"],
  locations: ["acme/api", "acme/web"],
};
const write: AccessDetail = {
  type: "upstream_access",
  upstream: "github",
  actions: ["issues:write"],
  locations: ["acme/api"],
};
const tools: AccessDetail = { type: "mcp_tools", server: "tickets", actions: ["open_issue"] };
const grant = { authorization_details: [read, write, tools], expires_at: NOW + 1000 };
const github = { kind: "upstream", id: "github", audience: "https://stint.test/proxy/github" } as const;
const tickets = {
  kind: "server",
  id: "tickets",
  audience: "https://tickets.test/mcp",
  tools: { open_issue: ["github:issues:write"], close_issue: ["github:issues:write"] },
  isCounted: false,
} as const;
const everything = () => true;
const byAgent = { subject: { kind: "session" }, exchanger: { kind: "agent" } } as const;
const given = {
  kind: "access",
  audience: tickets.audience,
  authorization_details: [tools, write],
  expires_at: NOW + 100,
  delegated: false,
} as const;
const byServer = { subject: given, exchanger: { kind: "server", resource: tickets.audience }, target: github } as const;

const plan = (ask: ExchangeAsk, allowed: (unit: string) => boolean = everything) =>
  planExchange(grant, ask, allowed, NOW);

describe("planExchange", () => {
  it("gives an upstream's token that upstream's entries alone", () => {
    expect(plan({ ...byAgent, target: github })).toEqual({
      ok: true,
      value: { authorization_details: [read, write], expires_at: NOW + MAX_ACCESS_TOKEN_SECONDS },
    });
  });

  it("gives a server its tools and only the operations that they need", () => {
    expect(plan({ ...byAgent, target: tickets })).toMatchObject({ value: { authorization_details: [tools, write] } });
  });

  it("lets a server exchange what it was given, and never beyond its life", () => {
    expect(plan(byServer)).toEqual({ ok: true, value: { authorization_details: [write], expires_at: NOW + 100 } });
  });

  it.each<[string, ExchangeAsk, string]>([
    ["an agent with an access token", { ...byServer, exchanger: { kind: "agent" } }, "wrong_subject"],
    ["a server with a session token", { ...byServer, subject: { kind: "session" } }, "wrong_subject"],
    ["a second hop", { ...byServer, subject: { ...given, delegated: true } }, "second_hop"],
    [
      "a token meant for another server",
      { ...byServer, subject: { ...given, audience: "https://other.test/mcp" } },
      "not_the_audience",
    ],
    ["a server that wants a token for a server", { ...byServer, target: tickets }, "invalid_target"],
    ["an expired subject", { ...byServer, subject: { ...given, expires_at: NOW } }, "subject_expired"],
    ["an upstream of which nothing was granted", { ...byAgent, target: { ...github, id: "slack" } }, "invalid_target"],
    [
      "wider details",
      { ...byAgent, target: github, requested: [{ ...write, locations: ["acme/web"] }] },
      "wider_than_subject",
    ],
    ["details of another target", { ...byAgent, target: github, requested: [tools] }, "wider_than_subject"],
    [
      "a longer life",
      { ...byAgent, target: github, expiresInSeconds: MAX_ACCESS_TOKEN_SECONDS + 1 },
      "outlives_session",
    ],
  ])("refuses %s", (_, ask, fault) => {
    expect(plan(ask)).toEqual({ ok: false, error: fault });
  });

  it("drops what the policy of today no longer allows", () => {
    expect(plan({ ...byAgent, target: github }, (unit) => unit !== "github:issues:write@acme/api")).toMatchObject({
      value: { authorization_details: [read] },
    });
    expect(plan({ ...byAgent, target: github }, () => false)).toEqual({ ok: false, error: "invalid_target" });
  });

  it("X17 keeps the limits of what it narrows, takes lower ones and refuses higher ones", () => {
    const limits = { calls: 10, bytes: 1000 };
    const limited = {
      ...grant,
      authorization_details: [
        { ...read, limits },
        { ...write, limits },
      ],
    };
    const narrowed = (changes: object) =>
      planExchange(limited, { ...byAgent, target: github, requested: [{ ...write, ...changes }] }, everything, NOW);
    expect(narrowed({})).toMatchObject({ value: { authorization_details: [{ ...write, limits }] } });
    expect(narrowed({ limits: { calls: 3 } })).toMatchObject({
      value: { authorization_details: [{ ...write, limits: { calls: 3, bytes: 1000 } }] },
    });
    for (const wider of [{ calls: 11 }, { calls: 10, bytes: 1001 }])
      expect(narrowed({ limits: wider })).toEqual({ ok: false, error: "wider_than_subject" });
    // A server's subject token may be narrower than the grant, and the grant than a token of before.
    const subject = { ...given, authorization_details: [tools, { ...write, limits: { calls: 4, writes: 2 } }] };
    expect(planExchange(limited, { ...byServer, subject }, everything, NOW)).toMatchObject({
      value: { authorization_details: [{ ...write, limits: { calls: 4, writes: 2, bytes: 1000 } }] },
    });
  });

  it("makes no token for a server whose calls nobody counts where limits hold, whoever states them", () => {
    const limited = {
      ...grant,
      authorization_details: [
        { ...tools, limits: { calls: 3 } },
        { type: "mcp_tools", server: "other", actions: ["x"] },
      ],
    } as const;
    const ask = { ...byAgent, target: tickets };
    const gateway = { ...byAgent, target: { ...tickets, audience: "https://stint.test/mcp/tickets", isCounted: true } };
    const refused = { ok: false, error: "not_counted" };
    expect(planExchange(limited, ask, everything, NOW)).toEqual(refused);
    expect(planCodeToken(limited, tickets, everything)).toEqual(refused);
    expect(planExchange(limited, gateway, everything, NOW)).toMatchObject({ ok: true });
    expect(planExchange(limited, { ...ask, target: { ...tickets, id: "other" } }, everything, NOW).ok).toBe(true);
    // Nor one that would carry a limit which it is not held to, or which today's policy has and the grant not yet.
    expect(plan({ ...ask, requested: [{ ...tools, limits: { calls: 3 } }] })).toEqual(refused);
    expect(plan({ ...ask, limitedNow: ["mcp:tickets:open_issue"] })).toEqual(refused);
    expect(planCodeToken(grant, tickets, everything, ["mcp:tickets:open_issue"])).toEqual(refused);
    expect(plan({ ...ask, limitedNow: ["mcp:tickets:close_issue"] }).ok).toBe(true);
  });

  it("P1 never yields more than the grant, the subject or the policy, and never outlives the session", () => {
    const unit = fc.constantFrom(...grant.authorization_details.flatMap(unitsOf));
    fc.assert(
      fc.property(fc.uniqueArray(unit), fc.integer({ min: 1, max: 2000 }), fc.boolean(), (allowed, life, server) => {
        const ask: ExchangeAsk = server
          ? { ...byServer, expiresInSeconds: life }
          : { ...byAgent, target: github, expiresInSeconds: life };
        const result = planExchange(grant, ask, (candidate) => allowed.includes(candidate), NOW + 700);
        if (!result.ok) return;
        expect(isWithin(result.value.authorization_details, grant.authorization_details)).toBe(true);
        expect(result.value.authorization_details.flatMap(unitsOf).every((one) => allowed.includes(one))).toBe(true);
        expect(result.value.expires_at).toBeLessThanOrEqual(grant.expires_at);
      }),
    );
  });
});

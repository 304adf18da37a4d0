import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { readTenantDocument } from "./tenant-document.ts";

const ISSUER = "https://stint.acme.example";

function warningsOf(policy: object, people: readonly object[] = PEOPLE): string[] {
  const document = {
    issuer: ISSUER,
    agents: [{ client_id: "bot", name: "Bot", owner: "sam", jwks: { keys: [] } }],
    people,
    upstreams: [
      {
        id: "github",
        connector: "api_key",
        base_url: "https://api.github.com",
        catalogue: "github",
        api_key: { secret: "KEY" },
      },
      {
        id: "weather",
        connector: "api_key",
        base_url: "https://api.weather.gov",
        api_key: { secret: "KEY" },
        catalogue: {
          operations: {
            "forecast:read": { access: "read", title: "Read", routes: ["GET /forecast/:city"], location: ":city" },
            "alerts:read": { access: "read", title: "Read", routes: ["GET /alerts"] },
          },
        },
      },
    ],
    servers: [
      {
        id: "tickets",
        resource: "https://tickets.acme.example/mcp",
        owner: "sam",
        trust: "remote",
        jwks: { keys: [] },
        tools: { open_issue: { access: "write", operations: ["github:issues:write"] } },
      },
    ],
    policies: [
      {
        id: "p",
        agents: ["bot"],
        allow: ["github:issues:read@acme/api"],
        max_duration: "1h",
        approvers: ["dana"],
        ...policy,
      },
    ],
  };
  const read = readTenantDocument(document as never, {
    issuer: ISSUER,
    shipped: shippedCatalogue,
    allowPrivateNetwork: false,
  });
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value.warnings.map(({ path, message }) => `${path} ${message}`);
}

const PEOPLE = [
  { id: "dana", name: "Dana", roles: ["approver"], groups: ["platform"] },
  { id: "sam", name: "Sam", roles: ["approver"] },
  { id: "kim", name: "Kim", groups: ["idle"] },
];

describe("a policy that lets somebody do something", () => {
  it.each([
    [["github:issues:read@acme/api", "github:*@acme/*", "github:issues:*@*/*"]],
    [["weather:forecast:read@Lisbon", "weather:*@*", "weather:*", "weather:alerts:read"]],
    [["weather:forecast:*"]],
    [["mcp:tickets:open_issue", "mcp:tickets:*"]],
  ])("is warned of nowhere: %j", (allow) => {
    expect(warningsOf({ allow })).toEqual([]);
  });

  it("may leave who decides to owners, to a group, to one who owns the agent in words, or to the second place", () => {
    expect(warningsOf({ approvers: ["owner:upstream"] })).toEqual([]);
    expect(warningsOf({ approvers: ["group:platform"], quorum: 1 })).toEqual([]);
    expect(warningsOf({ approvers: ["sam"], solo: true })).toEqual([]);
    expect(warningsOf({ approvers: ["sam"], escalate: { after: "5m", to: ["dana"] } })).toEqual([]);
  });
});

describe("a policy of which nothing comes", () => {
  it.each([
    ["github:isues:read@acme/api", "matches no operation of a configured upstream"],
    ["gitlab:issues:read@acme/api", "matches no operation of a configured upstream"],
    ["github:Issues:read@acme/api", "matches no operation of a configured upstream"],
    ["github:issues:read", "granted by location, written as :owner/:repo"],
    ["github:issues:*", "granted by location, written as :owner/:repo"],
    ["github:issues:read@acme", "granted by location, written as :owner/:repo"],
    ["github:issues:read@*", "granted by location, written as :owner/:repo"],
    ["github:issues:read@acme/api/main", "granted by location, written as :owner/:repo"],
    ["weather:forecast:read@Lisbon/Porto", "granted by location, written as :city"],
    ["weather:alerts:read@Lisbon", "leave @ and what follows away"],
    ["mcp:tickets:close_issue", "matches no tool"],
    ["mcp:notes:open_issue", "matches no tool"],
  ])("is warned of where it is: %s", (pattern, said) => {
    expect(warningsOf({ allow: ["github:issues:write@acme/api", pattern] })).toEqual([
      expect.stringMatching(/^\/policies\/0\/allow\/1 /),
    ]);
    expect(warningsOf({ allow: [pattern] })[0]).toContain(said);
  });

  it.each([
    [{ approvers: ["kim"] }, "names nobody who has the role approver"],
    [{ approvers: ["group:idle"] }, "names nobody who has the role approver"],
    [{ approvers: ["group:misspelt"] }, "names nobody who has the role approver"],
    [{ approvers: ["dana"], quorum: 2 }, "wants 2 approvals and names 1"],
    [{ approvers: ["sam"] }, 'only sam could decide for bot, and owns it: name somebody else, or write "solo": true'],
  ])("is warned of where nobody could decide: %j", (policy, said) => {
    expect(warningsOf(policy)).toEqual([expect.stringContaining(said)]);
    expect(warningsOf(policy)[0]).toMatch(/^\/policies\/0\/approvers /);
  });
});

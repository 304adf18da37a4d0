import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileDemand, highest, matchesSomething, meets, type Territory } from "./demand.ts";
import { ASSURANCE_LEVELS, type Assurance, type AssuranceRule } from "./tenant.ts";

const operation = (access: "read" | "write", location?: string) => ({
  access,
  title: "x",
  routes: ["GET /x"],
  location,
});
const territory: Territory = {
  upstreams: new Map([
    [
      "github",
      {
        catalogue: {
          operations: {
            "issues:read": operation("read", ":owner/:repo"),
            "issues:write": operation("write", ":owner/:repo"),
            "user:read": operation("read"),
          },
        },
      },
    ],
  ]),
  servers: new Map([["tickets", { tools: { open: { access: "write" }, list: { access: "read" } } }]]),
};
const READ = "github:issues:read@acme/api";
const WRITE = "github:issues:write@acme/api";

describe("what a policy demands", () => {
  const rules: AssuranceRule[] = [
    { level: "link" },
    { level: "sso", longer_than: "15m" },
    { level: "passkey", access: "write" },
    { level: "sso+passkey", units: ["github:*@acme/prod*"], longer_than: "1h" },
  ];
  const demand = compileDemand(rules, territory);

  it.each<[string[], number, string]>([
    [[READ], 60, "link"],
    [[READ], 900, "link"],
    [[READ], 901, "sso"],
    [[READ, WRITE], 60, "passkey"],
    // Neither says what the other does, so both are asked.
    [[READ, WRITE], 901, "sso+passkey"],
    [["mcp:tickets:list"], 60, "link"],
    [["mcp:tickets:open"], 60, "passkey"],
    [["github:issues:read@acme/prod"], 3600, "sso"],
    [["github:issues:read@acme/prod"], 3601, "sso+passkey"],
    // What a catalogue does not know may write.
    [["github:gone@acme/api"], 60, "passkey"],
    [["mcp:tickets:constructor"], 60, "passkey"],
    [["mcp:nobody:open"], 60, "passkey"],
  ])("of %j for %i s is %s", (units, seconds, level) => {
    expect(demand(units, seconds)).toBe(level);
  });

  it.each(["github:issues:read@ACME/prod", "github:issues:read@acme/PROD-2", "github:issues:read@acme/prod/x"])(
    "guards %s, which an upstream may take for the same place",
    (unit) => {
      expect(demand([unit], 7200)).toBe("sso+passkey");
    },
  );

  it("never demands less of more: P18 for any rules, units and times", () => {
    const units = fc.subarray([READ, WRITE, "github:user:read", "mcp:tickets:open", "mcp:tickets:list"]);
    const rule = fc.record(
      {
        level: fc.constantFrom(...ASSURANCE_LEVELS),
        access: fc.constant("write" as const),
        units: fc.subarray(["github:*", "*:issues:*", "mcp:tickets:*", READ], { minLength: 1 }),
        longer_than: fc.constantFrom("1m", "15m", "2h"),
      },
      { requiredKeys: ["level"] },
    );
    fc.assert(
      fc.property(fc.array(rule), units, units, fc.nat(9000), fc.nat(9000), (some, narrow, more, seconds, longer) => {
        const judge = compileDemand([{ level: "link" }, ...some], territory);
        expect(meets(judge([...narrow, ...more], seconds + longer), judge(narrow, seconds))).toBe(true);
      }),
    );
  });
});

describe("levels", () => {
  it.each<[Assurance, Assurance, Assurance]>([
    ["sso", "passkey", "sso+passkey"],
    ["passkey", "sso", "sso+passkey"],
    ["link", "sso", "sso"],
    ["passkey", "link", "passkey"],
    ["sso+passkey", "link", "sso+passkey"],
  ])("%s and %s together are %s, and neither alone meets that unless it is the same", (one, other, both) => {
    expect(highest(one, other)).toBe(both);
    expect(meets(one, both)).toBe(one === both);
  });

  it("A25 does not take a passkey for a sign-in, nor a sign-in for a passkey", () => {
    expect(meets("passkey", "sso")).toBe(false);
    expect(meets("sso", "passkey")).toBe(false);
    expect(meets("sso+passkey", "sso")).toBe(true);
    expect(meets("sso+passkey", "passkey")).toBe(true);
  });
});

describe("a pattern of a rule", () => {
  it.each(["github:*", "github:issues:*@acme/*", "github:issues:write@*", "github:user:read", "mcp:tickets:*"])(
    "%s can match",
    (pattern) => {
      expect(matchesSomething(pattern, territory)).toBe(true);
    },
  );

  it.each([
    "gitlab:*",
    "github:isues:*",
    "github:issues:delete@acme/*",
    "github:issues:write",
    "github:user:read@acme/api",
    "mcp:nobody:*",
    "mcp:tickets:close",
  ])("%s can match nothing, and is misspelt", (pattern) => {
    expect(matchesSomething(pattern, territory)).toBe(false);
  });
});

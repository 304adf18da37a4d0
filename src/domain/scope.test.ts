import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unitsOf, type AccessDetail } from "./access.ts";
import { readScope, scopeOf } from "./scope.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/).filter((text) => text !== "mcp");
const detail: fc.Arbitrary<AccessDetail> = fc.oneof(
  fc.record({ type: fc.constant("mcp_tools" as const), server: name, actions: fc.uniqueArray(name, { minLength: 1 }) }),
  fc.record({
    type: fc.constant("upstream_access" as const),
    upstream: name,
    actions: fc.uniqueArray(name, { minLength: 1 }),
  }),
  fc.record({
    type: fc.constant("upstream_access" as const),
    upstream: name,
    actions: fc.uniqueArray(name, { minLength: 1 }),
    locations: fc.uniqueArray(fc.stringMatching(/^[a-z]{1,5}\/[a-z]{1,5}$/), { minLength: 1 }),
  }),
);

describe("a scope", () => {
  it("says exactly what its entries say", () => {
    fc.assert(
      fc.property(fc.array(detail, { minLength: 1 }), (details) => {
        const read = readScope(scopeOf(details));
        expect(new Set(read?.flatMap(unitsOf))).toEqual(new Set(details.flatMap(unitsOf)));
      }),
    );
  });

  it("joins what belongs together", () => {
    expect(readScope("github:issues:read@acme/api github:issues:write@acme/api mcp:t:a mcp:t:b openid")).toEqual([
      {
        type: "upstream_access",
        upstream: "github",
        locations: ["acme/api"],
        actions: ["issues:read", "issues:write"],
      },
      { type: "mcp_tools", server: "t", actions: ["a", "b"] },
    ]);
  });

  it.each([
    "",
    "a",
    "offline_access",
    "x:",
    ":y",
    "x:y@",
    "x:y@a*",
    "mcp:x",
    "mcp::y",
    "X:y",
    "x:y  z:w",
    "x:y\tz:w",
    "x:y@a b",
  ])("is not %j", (scope) => {
    expect(readScope(scope)).toBeUndefined();
  });
});

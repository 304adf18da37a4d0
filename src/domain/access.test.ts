import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  intersect,
  isWithin,
  limit,
  limitsOf,
  narrow,
  operationUnit,
  partsOf,
  placesOf,
  serverOf,
  serverPlace,
  toolUnit,
  unitsOf,
  withoutLocation,
  type AccessDetail,
} from "./access.ts";

const word = fc.constantFrom("a", "b", "c", "d");
const words = fc.uniqueArray(word, { minLength: 1 });
const limits = fc.record(
  {
    calls: fc.integer({ min: 1, max: 5 }),
    writes: fc.integer({ min: 1, max: 5 }),
    bytes: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: [] },
);
const detail: fc.Arbitrary<AccessDetail> = fc.oneof(
  fc.record({
    type: fc.constant("upstream_access" as const),
    upstream: word,
    actions: words,
    locations: words,
    limits,
  }),
  fc.record({ type: fc.constant("upstream_access" as const), upstream: word, actions: words }),
  fc.record({ type: fc.constant("mcp_tools" as const), server: word, actions: words }),
  fc.record({ type: fc.constant("mcp_tools" as const), server: word, actions: words, limits }),
);
const details = fc.array(detail, { maxLength: 4 });
const unitSet = (list: readonly AccessDetail[]) => new Set(list.flatMap(unitsOf));

describe("a unit's name", () => {
  it("says what it was made of, with every colon and @ that an operation or a location may have", () => {
    const id = fc.constantFrom("github", "a.b", "x-1");
    const name = fc.constantFrom("read", "issues:read", "a:b:c");
    const location = fc.option(fc.constantFrom("acme/api", "me@acme.example", "a:b@c"), { nil: undefined });
    fc.assert(
      fc.property(id, name, location, (upstream, operation, at) => {
        const unit = operationUnit(upstream, operation, at);
        expect(partsOf(unit)).toEqual({ kind: "operation", upstream, operation, location: at });
        expect(withoutLocation(unit)).toBe(operationUnit(upstream, operation));
      }),
    );
    expect(partsOf(toolUnit("tickets", "open_issue"))).toEqual({ kind: "tool", server: "tickets", tool: "open_issue" });
  });

  it("begins like its place, which knows its server", () => {
    expect([serverOf(serverPlace("tickets")), serverOf("github")]).toEqual(["tickets", undefined]);
  });
});

describe("access", () => {
  it("narrow keeps exactly the units it is told to keep, whatever their shape", () => {
    fc.assert(
      fc.property(details, fc.func(fc.boolean()), (list, keep) => {
        const expected = new Set([...unitSet(list)].filter((unit) => keep(unit)));
        expect(unitSet(narrow(list, (unit) => keep(unit)))).toEqual(expected);
      }),
    );
  });

  it("an intersection is within both sides", () => {
    fc.assert(
      fc.property(details, details, (left, right) => {
        const both = intersect(left, right);
        expect(isWithin(both, left)).toBe(true);
        expect(isWithin(both, right)).toBe(true);
      }),
    );
  });

  it("X17 narrowing never raises or drops a limit of an upstream or a server that is left, however the entry falls apart", () => {
    fc.assert(
      fc.property(details, fc.func(fc.boolean()), (list, keep) => {
        const same = limit(list, () => undefined);
        const left = narrow(same, (unit) => keep(unit));
        expect(isWithin(left, same)).toBe(true);
        for (const place of placesOf(left)) expect(limitsOf(left, place)).toEqual(limitsOf(same, place));
      }),
    );
  });

  it("X17 is not within when a limit is higher or left out", () => {
    const granted: AccessDetail[] = [
      { type: "upstream_access", upstream: "github", actions: ["issues:read"], limits: { calls: 5, bytes: 100 } },
    ];
    const asked = (limits?: object): AccessDetail[] => [{ ...granted[0]!, limits } as AccessDetail];
    expect(isWithin(asked({ calls: 5, bytes: 100 }), granted)).toBe(true);
    expect(isWithin(asked({ calls: 1, writes: 1, bytes: 1 }), granted)).toBe(true);
    for (const wider of [
      undefined,
      {},
      { calls: 5 },
      { bytes: 100 },
      { calls: 6, bytes: 100 },
      { calls: 5, bytes: 101 },
    ])
      expect(isWithin(asked(wider), granted), JSON.stringify(wider)).toBe(false);
  });

  it("is not within when one action, location, upstream or type differs", () => {
    const granted: AccessDetail[] = [
      { type: "upstream_access", upstream: "github", actions: ["issues:read"], locations: ["acme/api"] },
    ];
    const wider: AccessDetail[][] = [
      [{ type: "upstream_access", upstream: "github", actions: ["issues:write"], locations: ["acme/api"] }],
      [{ type: "upstream_access", upstream: "github", actions: ["issues:read"], locations: ["acme/web"] }],
      [{ type: "upstream_access", upstream: "github", actions: ["issues:read"] }],
      [{ type: "upstream_access", upstream: "gitlab", actions: ["issues:read"], locations: ["acme/api"] }],
      [{ type: "mcp_tools", server: "github", actions: ["issues:read"] }],
    ];
    for (const details of wider) expect(isWithin(details, granted)).toBe(false);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  areWithin,
  exceeded,
  formatLimits,
  formatUsage,
  LIMIT_NAMES,
  leftOf,
  loosest,
  NOTHING_USED,
  sum,
  tightest,
  type Limits,
  type Usage,
} from "./limits.ts";

const amount = fc.integer({ min: 1, max: 20 });
const limits: fc.Arbitrary<Limits> = fc.record(
  { calls: amount, writes: amount, bytes: amount, units: amount },
  { requiredKeys: [] },
);
const usage: fc.Arbitrary<Usage> = fc.record({
  calls: fc.nat(30),
  writes: fc.nat(30),
  bytes: fc.nat(30),
  units: fc.nat(30),
});

describe("limits", () => {
  it("tightest is within each, and each is within loosest", () => {
    fc.assert(
      fc.property(fc.array(limits, { minLength: 1 }), (all) => {
        for (const one of all) {
          expect(areWithin(tightest(all), one)).toBe(true);
          expect(areWithin(one, loosest(all))).toBe(true);
        }
      }),
    );
  });

  it("within means: whatever the inner lets pass, the outer does", () => {
    fc.assert(
      fc.property(limits, limits, usage, (inner, outer, used) => {
        if (areWithin(inner, outer) && exceeded(inner, used) === undefined)
          expect(exceeded(outer, used)).toBeUndefined();
      }),
    );
  });

  it("what is left can be used, and not one more", () => {
    fc.assert(
      fc.property(limits, usage, (most, used) => {
        if (exceeded(most, used) !== undefined) return;
        const left = leftOf(most, used);
        expect(exceeded(most, sum(used, left as Partial<Usage>))).toBeUndefined();
        for (const name of LIMIT_NAMES)
          if (left[name] !== undefined) expect(exceeded(most, sum(used, { [name]: left[name] + 1 }))).toBe(name);
      }),
    );
  });

  it("where nothing bounds, nothing is the bound", () => {
    expect([tightest([]), tightest([undefined, {}]), loosest([]), loosest([{ calls: 1 }, undefined])]).toEqual([
      {},
      {},
      {},
      {},
    ]);
  });

  it("says them in words, with digits that can be told apart", () => {
    expect(formatLimits({ calls: 1, writes: 20, bytes: 1_048_576, units: 1000 })).toBe(
      "1 call, 20 writes, 1,048,576 bytes, 1,000 cost units",
    );
    expect(formatLimits({})).toBe("");
    expect(formatUsage({ calls: 1, bytes: 1000 }, { calls: 1, writes: 9, bytes: 999, units: 9 })).toBe(
      "1 of 1 calls, 999 of 1,000 bytes",
    );
    expect(formatUsage({}, NOTHING_USED)).toBe("");
  });
});

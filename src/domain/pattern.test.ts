import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePattern } from "./pattern.ts";

/** The obvious way to say it, against which the fast way is held. */
function byRegExp(pattern: string): RegExp {
  return new RegExp(
    `^(?:${pattern
      .split("*")
      .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
      .join("[^/]*")})$`,
  );
}

describe("compilePattern", () => {
  it("matches what an anchored expression would", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", ":", "@", "."), maxLength: 12 });
    fc.assert(
      fc.property(text, text, (pattern, unit) => {
        const plain = unit.replaceAll("*", "a");
        expect(compilePattern(pattern)(plain)).toBe(byRegExp(pattern).test(plain));
      }),
      { numRuns: 2000 },
    );
  });

  it("covers a run without a slash and nothing beyond", () => {
    const matches = compilePattern("github:issues:read@acme/*");
    expect(matches("github:issues:read@acme/api")).toBe(true);
    expect(matches("github:issues:read@acme/api/wiki")).toBe(false);
    expect(matches("github:issues:read@acme.evil/api")).toBe(false);
    expect(matches("github:issues:write@acme/api")).toBe(false);
    expect(matches("xgithub:issues:read@acme/api")).toBe(false);
  });

  it("is not slowed down by stars", () => {
    const matches = compilePattern(`${"*a".repeat(2000)}b`);
    expect(matches("a".repeat(50_000))).toBe(false);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { begin, CLOSED, settle, waitSeconds, withdraw, type Breaker } from "./breaker.ts";

const NOW = 1_800_000_000;
const failures = (count: number, from: Breaker = CLOSED): Breaker =>
  Array.from({ length: count }).reduce<Breaker>((breaker) => settle(breaker, false, NOW), from);

describe("the breaker of an upstream (fault FI)", () => {
  it("opens after five failures in a row, and not before", () => {
    expect(waitSeconds(failures(4), NOW)).toBe(0);
    expect(waitSeconds(failures(5), NOW)).toBe(10);
    expect(waitSeconds(failures(4, settle(failures(4), true, NOW)), NOW)).toBe(0);
  });

  it("then lets one call try, and the others wait for how that goes", () => {
    const probing = begin(failures(5), NOW + 10);
    expect(waitSeconds(failures(5), NOW + 10)).toBe(0);
    expect(waitSeconds(probing, NOW + 10)).toBeGreaterThan(0);
    expect(waitSeconds(settle(probing, true, NOW + 11), NOW + 11)).toBe(0);
    expect(waitSeconds(settle(probing, false, NOW + 11), NOW + 11)).toBe(10);
  });

  it("lets the next one try when the first never went out, or nobody heard of it again", () => {
    const probing = begin(failures(5), NOW + 10);
    expect(waitSeconds(withdraw(probing, NOW + 10), NOW + 10)).toBe(0);
    expect(waitSeconds(begin(withdraw(probing, NOW + 10), NOW + 10), NOW + 10)).toBeGreaterThan(0);
    expect(waitSeconds(probing, NOW + 70)).toBe(0);
    expect(withdraw(failures(5), NOW)).toEqual(failures(5));
    expect(withdraw(failures(2), NOW)).toEqual(failures(2));
  });

  it("never stays open longer than it says, whatever comes in whatever order", () => {
    const step = fc.constantFrom("begin", "answered", "failed", "withdrew");
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(30))), (steps) => {
        let now = NOW;
        let breaker: Breaker = CLOSED;
        for (const [what, seconds] of steps) {
          now += seconds;
          if (what === "begin") breaker = waitSeconds(breaker, now) === 0 ? begin(breaker, now) : breaker;
          else if (what === "withdrew") breaker = withdraw(breaker, now);
          else breaker = settle(breaker, what === "answered", now);
          const wait = waitSeconds(breaker, now);
          expect(wait).toBeLessThanOrEqual(60);
          expect(waitSeconds(breaker, now + wait)).toBe(0);
        }
      }),
    );
  });
});

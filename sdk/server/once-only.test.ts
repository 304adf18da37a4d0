import { describe, expect, it } from "vitest";
import { OnceInProcess } from "./once-only.ts";

const NOW = Math.floor(Date.now() / 1000);

describe("the memory of one process", () => {
  it("lets a thing be used once", () => {
    const once = new OnceInProcess();
    expect([once.use("a", NOW + 60), once.use("a", NOW + 60), once.use("b", NOW + 60)]).toEqual([true, false, true]);
  });

  it("forgets what is over when it is full, and refuses rather than forget what is not", () => {
    const once = new OnceInProcess();
    const fill = (from: number, count: number, until: number): void => {
      for (let at = from; at < from + count; at += 1) once.use(`proof-${at}`, until);
    };
    fill(0, 100_000, NOW - 1);
    fill(100_000, 200_000, NOW + 600);
    expect(once.use("proof-299999", NOW + 600)).toBe(false);
    expect(() => once.use("one more", NOW + 600)).toThrow("too many");
  });
});

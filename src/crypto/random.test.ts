import { describe, expect, it } from "vitest";
import { ID_PREFIXES } from "../domain/ids.ts";
import { newId } from "./random.ts";

const SAMPLES = 100_000;
/** Characters of base64url that 128 bits fill; the last one holds two bits of them. */
const FULL_CHARACTERS = 21;

describe("identifiers (N02)", () => {
  const bodies = Array.from({ length: SAMPLES }, () => newId(ID_PREFIXES.session).slice(ID_PREFIXES.session.length));

  it("N02 are 128 bits, and never the same twice", () => {
    expect(new Set(bodies).size).toBe(SAMPLES);
    for (const body of bodies) expect(Buffer.from(body, "base64url")).toHaveLength(16);
  });

  it("N02 tell nothing of when, where or in which order they were made: every place takes every character", () => {
    for (let place = 0; place < FULL_CHARACTERS; place += 1) {
      const seen = new Map<string, number>();
      for (const body of bodies) seen.set(body[place]!, (seen.get(body[place]!) ?? 0) + 1);
      expect(seen.size, `place ${place}`).toBe(64);
      // 1,562 are expected of each; a clock or a counter in here would be off by far more than this.
      for (const times of seen.values()) expect(times).toBeLessThan(2000);
    }
    const neighbours = bodies.filter((body, at) => at > 0 && body.slice(0, 4) === bodies[at - 1]!.slice(0, 4));
    expect(neighbours.length).toBeLessThan(5);
  });
});

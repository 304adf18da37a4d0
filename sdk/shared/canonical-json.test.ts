import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

describe("canonical JSON (RFC 8785)", () => {
  it.each([
    [{ b: 1, a: [{ d: null, c: "x" }] }, '{"a":[{"c":"x","d":null}],"b":1}'],
    // §3.2.3: by code units, so that "10" goes before "2", which no object of this language has in that order.
    [{ "2": 1, "10": 2, "": 3 }, '{"":3,"10":2,"2":1}'],
    [{ "\u20ac": 1, "\r": 2, "\ud83d\ude00": 3, "\ufb33": 4 }, '{"\\r":2,"\u20ac":1,"\ud83d\ude00":3,"\ufb33":4}'],
    [{ left: undefined, out: () => 1, kept: 1e21 }, '{"kept":1e+21}'],
    ["\u2028</script>", '"\u2028</script>"'],
  ])("writes %j as %s", (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSessionId, objectName } from "./ids.ts";

describe("the name of an object (N03)", () => {
  it.each<[string[], string[]]>([
    [["a:b"], ["a", "b"]],
    [
      ["a", "b:c"],
      ["a:b", "c"],
    ],
    [
      ["a/b", "c"],
      ["a", "b/c"],
    ],
    [["1:a"], ["", "a"]],
    [["a", ""], ["a"]],
    [
      ["a\0", "b"],
      ["a", "\0b"],
    ],
    [["\u00e9"], ["e\u0301"]],
    [["a".repeat(2048), "b"], ["a".repeat(2049)]],
    [
      ["https://a.test", "2:b1"],
      ["https://a.test2", ":b1"],
    ],
  ])("N03 of %j is not that of %j", (one, other) => {
    expect(objectName(...one)).not.toBe(objectName(...other));
  });

  it("N03 is one-to-one, whatever its parts hold", () => {
    const part = fc.oneof(fc.string(), fc.constantFrom("", ":", "1:", "2:a", "\0", "a:1", "0:"));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.array(part, { maxLength: 4 }), (one, other) => {
        expect(objectName(...one) === objectName(...other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it.each([
    "ses_",
    `ses_${"A".repeat(21)}`,
    `ses_${"A".repeat(23)}`,
    `req_${"A".repeat(22)}`,
    `ses_${"A".repeat(22)}\n`,
    `ses_${"A".repeat(21)}/`,
    ` ses_${"A".repeat(22)}`,
  ])("N03 is never made of %j, which is no session's id", (id) => {
    expect(isSessionId(id)).toBe(false);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_JSON_DEPTH, parseStrictJson } from "./strict-json.ts";

const faultOf = (text: string) => {
  const parsed = parseStrictJson(text);
  return parsed.ok ? undefined : parsed.error;
};

describe("parseStrictJson", () => {
  it("agrees with JSON.parse on every document that has no trick in it", () => {
    const noTricks = fc.json({ maxDepth: 6 }).filter((text) => !/__proto__|constructor|prototype|\\u0000/.test(text));
    fc.assert(
      fc.property(noTricks, (text) => {
        expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  it("agrees with JSON.parse on where a string ends", () => {
    const marks = fc.string({ unit: fc.constantFrom("\\", '"', "a", ",", ":", "}") });
    fc.assert(
      fc.property(fc.array(fc.tuple(marks, marks), { maxLength: 3 }), (members) => {
        const value = members.map(([name, text]) => ({ [name]: text }));
        expect(parseStrictJson(JSON.stringify(value))).toEqual({ ok: true, value });
      }),
    );
  });

  it.each([
    ["a repeated member", '{"a":1,"a":2}', "duplicate_member"],
    ["a repeated member, spelled with an escape", '{"a":1,"\\u0061":2}', "duplicate_member"],
    ["a repeated member deep inside", '[{"x":{"a":1,"b":[{"c":1,"c":2}]}}]', "duplicate_member"],
    ["__proto__", '{"__proto__":{"admin":true}}', "forbidden_member"],
    ["__proto__, spelled with an escape", '{"\\u005f_proto__":1}', "forbidden_member"],
    ["a repeated member that ends with a backslash", '{"a\\\\":1,"a\\\\":2}', "duplicate_member"],
    ["a repeated member that ends with a quotation mark", '{"a\\"":1,"a\\"":2}', "duplicate_member"],
    ["a string whose end is escaped", '["a\\"]', "not_json"],
    ["a lone surrogate in a value before which there is no escape", '["a",{"b":"c"},"\\ud800"]', "not_unicode"],
    ["a lone surrogate in a value", '{"a":"\\ud800"}', "not_unicode"],
    ["a lone surrogate in a name", '{"\\ud800":1}', "not_unicode"],
    ["NUL in a value", '["\\u0000"]', "not_unicode"],
    ["an unfinished string", '{"a', "not_json"],
    ["a comment", '{"a":1}//', "not_json"],
    ["nothing", "", "not_json"],
  ])("refuses %s", (_, text, fault) => {
    expect(faultOf(text)).toBe(fault);
  });

  it("accepts the same name in different objects", () => {
    expect(faultOf('[{"a":1},{"a":{"a":2}}]')).toBeUndefined();
  });

  it("refuses nesting one deeper than the limit, and survives a million levels", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(faultOf(nested(MAX_JSON_DEPTH))).toBeUndefined();
    expect(faultOf(nested(MAX_JSON_DEPTH + 1))).toBe("too_deep");
    expect(faultOf("[".repeat(1_000_000))).toBe("too_deep");
  });

  it("refuses a million elements", () => {
    expect(faultOf(`[${"1,".repeat(1_000_000)}1]`)).toBe("too_many_members");
  });
});

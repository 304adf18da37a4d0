import { describe, expect, it } from "vitest";
import type { Json } from "./canonical-json.ts";
import { mirroredParams } from "./mirrored-params.ts";

const definition = (properties: Json, more: { [name: string]: Json } = {}): Json => ({
  name: "t",
  inputSchema: { type: "object", properties, ...more },
});
const text = (name: Json): Json => ({ type: "string", "x-mcp-header": name });

describe("what a definition has mirrored (MCP 2026-07-28, x-mcp-header)", () => {
  it("stands under properties, at any depth", () => {
    const nested = { type: "object", properties: { b: { type: "integer", "x-mcp-header": "B" } } };
    expect(mirroredParams(definition({ a: text("Region"), nested, plain: { type: "string" } }))).toEqual([
      { name: "region", path: ["a"] },
      { name: "b", path: ["nested", "b"] },
    ]);
  });

  it.each<[string, Json]>([
    ["a list's items", { a: { type: "array", items: text("A") } }],
    ["a choice", { a: { anyOf: [text("A")] } }],
    ["a reference", { a: { $ref: "#/$defs/a" } }],
  ])("is nothing that is only there by circumstance: %s", (_, properties) => {
    expect(mirroredParams(definition(properties, { $defs: { a: text("A") } }))).toEqual([]);
  });

  it.each<[string, Json]>([
    ["a name with a space", { a: text("A b") }],
    ["a name with the end of a line", { a: text("A\r\nX: y") }],
    ["an empty name", { a: text("") }],
    ["a name that is none", { a: text(["A"]) }],
    ["a name without end", { a: text("A".repeat(65)) }],
    ["a fraction", { a: { type: "number", "x-mcp-header": "A" } }],
    ["an object", { a: { type: "object", "x-mcp-header": "A" } }],
    ["several types", { a: { type: ["string", "null"], "x-mcp-header": "A" } }],
    ["no type", { a: { "x-mcp-header": "A" } }],
    ["one name in two cases", { a: text("Region"), b: text("REGION") }],
    ["one that is good beside one that is not", { a: text("A"), b: text("") }],
  ])("is nothing where the definition breaks the rules: %s", (_, properties) => {
    expect(mirroredParams(definition(properties))).toEqual([]);
  });

  it.each<Json>([null, "Do", [], {}, { inputSchema: null }, { inputSchema: text("A") }, definition([])])(
    "is nothing in %j",
    (shown) => {
      expect(mirroredParams(shown)).toEqual([]);
    },
  );
});

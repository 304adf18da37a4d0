import { describe, expect, it } from "vitest";
import type { Json } from "../domain/canonical-json.ts";
import { readJsonRpcRequest } from "./jsonrpc-request.ts";

const request = (method: string, params?: Json, more: { [name: string]: Json } = {}): Json => ({
  jsonrpc: "2.0",
  id: 1,
  method,
  ...(params === undefined ? {} : { params }),
  ...more,
});
const tool = (name: Json, more: { [name: string]: Json } = {}): Json =>
  request("tools/call", { name, arguments: {}, ...more });
const read = (value: Json, headers: Record<string, string> = {}) => readJsonRpcRequest(value, new Headers(headers));

describe("what a JSON-RPC body calls (P19)", () => {
  it.each<[string, Json, unknown[]]>([
    ["a method", request("tools/list"), [{ kind: "method", method: "tools/list", given: {} }]],
    ["a tool", tool("search"), [{ kind: "tool", tool: "search", given: {} }]],
    [
      "a notification",
      { jsonrpc: "2.0", method: "notifications/initialized" },
      [{ kind: "method", method: "notifications/initialized", given: {} }],
    ],
    [
      "a notification that calls a tool all the same",
      { jsonrpc: "2.0", method: "tools/call", params: { name: "x" } },
      [{ kind: "tool", tool: "x", given: {} }],
    ],
    ["parameters by place", request("subtract", [1, 2]), [{ kind: "method", method: "subtract", given: {} }]],
    ["an id of null", request("a", {}, { id: null }), [{ kind: "method", method: "a", given: {} }]],
    [
      "a batch",
      [request("tools/list"), tool("delete", {}), { jsonrpc: "2.0", method: "a" }].map((one, id) => ({
        ...(one as object),
        id,
      })),
      [
        { kind: "method", method: "tools/list", given: {} },
        { kind: "tool", tool: "delete", given: {} },
        { kind: "method", method: "a", given: {} },
      ],
    ],
    // Names that are almost known are others, which no catalogue has.
    ["a method with a space before it", request(" tools/call"), [{ kind: "method", method: " tools/call", given: {} }]],
    ["a method in other letters", request("Tools/Call", {}), [{ kind: "method", method: "Tools/Call", given: {} }]],
    ["a tool with a space behind it", tool("search "), [{ kind: "tool", tool: "search ", given: {} }]],
  ])("%s", (_, value, expected) => {
    expect(read(value)).toEqual({ ok: true, value: expected });
  });

  it.each<[string, Json]>([
    ["an empty batch", []],
    ["a batch in a batch", [[tool("search")]]],
    ["a batch with something else in it", [tool("search"), 1]],
    ["fifty-one calls", Array.from({ length: 51 }, (_, id) => request("a", {}, { id }))],
    ["one id for two calls", [tool("search"), tool("delete")]],
    ["one id for two calls, as text and number", [request("a"), request("b", {}, { id: "1" })]],
    ["null", null],
    ["a text", "tools/call"],
    ["no version", { id: 1, method: "tools/list" }],
    ["another version", request("a", {}, { jsonrpc: "1.0" })],
    ["a version that is a number", request("a", {}, { jsonrpc: 2 })],
    ["no method", { jsonrpc: "2.0", id: 1 }],
    ["a method that is no text", request("a", {}, { method: ["tools/call"] })],
    ["a second spelling of method", request("tools/list", {}, { Method: "tools/call" })],
    ["an answer", { jsonrpc: "2.0", id: 1, result: {} }],
    ["an answer that calls something as well", request("tools/list", {}, { result: {} })],
    ["an error", { jsonrpc: "2.0", id: 1, error: { code: 1, message: "x" } }],
    ["an id that is an object", request("a", {}, { id: {} })],
    ["parameters that are a text", request("a", "x")],
    ["parameters that are null", { jsonrpc: "2.0", id: 1, method: "a", params: null }],
    ["a tool by place", request("tools/call", ["search"])],
    ["no tool", request("tools/call", {})],
    ["no parameters for a tool", request("tools/call")],
    ["a tool that is a list", tool(["search"])],
    ["a second spelling of the tool's name", tool("search", { Name: "delete" })],
    ["a tool's name in full-width letters beside it", tool("search", { ｎａｍｅ: "delete" })],
    ["arguments that are a list", request("tools/call", { name: "search", arguments: [] })],
    [
      "arguments in a second spelling",
      request("tools/call", { name: "search", arguments: {}, Arguments: { repo: "x" } }),
    ],
    ["a tool's name with a space beside it", tool("search", { "name ": "delete" })],
  ])("refuses %s", (_, value) => {
    expect(read(value)).toMatchObject({ ok: false });
  });

  it("lets headers say what the body says, and nothing else", () => {
    const search = tool("search");
    expect(read(search, { "Mcp-Method": "tools/call", "Mcp-Name": "search" })).toMatchObject({ ok: true });
    expect(read(request("resources/read", { uri: "file:///a" }), { "Mcp-Name": "file:///a" })).toMatchObject({
      ok: true,
    });
    // As the revision of 2026-07-28 has clients pack what a header cannot hold.
    expect(read(search, { "Mcp-Name": "=?base64?c2VhcmNo?=" })).toMatchObject({ ok: true });
    for (const headers of [
      { "Mcp-Method": "tools/list" },
      { "Mcp-Method": "tools/call", "Mcp-Name": "delete" },
      { "Mcp-Name": "delete" },
      { "Mcp-Name": "=?base64?ZGVsZXRl?=" },
      { "Mcp-Name": "=?base64?c2VhcmNo?" },
      { "Mcp-Name": "=?BASE64?c2VhcmNo?=" },
      { "Mcp-Name": "=?base64?c2Vhc-No?=" },
      { "Mcp-Name": "search, delete" },
      { "Mcp-Name": "" },
    ] as Record<string, string>[])
      expect(read(search, headers), JSON.stringify(headers)).toMatchObject({ ok: false });
    expect(read(request("tools/list"), { "Mcp-Name": "search" })).toMatchObject({ ok: false });
    expect(read([search], { "Mcp-Method": "tools/call" })).toMatchObject({ ok: true });
    const two = [
      request("tools/call", { name: "search" }, { id: 1 }),
      request("tools/call", { name: "search" }, { id: 2 }),
    ];
    expect(read(two, { "Mcp-Method": "tools/call" })).toMatchObject({ ok: false });
  });
});

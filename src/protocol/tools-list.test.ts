import { describe, expect, it } from "vitest";
import { canonicalJson } from "../domain/canonical-json.ts";
import { readMessages, readToolsPage } from "./tools-list.ts";

const LIST = { jsonrpc: "2.0", id: 1, result: { tools: [{ name: "a", description: "A" }], nextCursor: "2" } };

function read(contentType: string | null, text: string) {
  const messages = readMessages(contentType, text);
  return messages.ok ? readToolsPage(messages.value) : messages;
}

describe("what a server shows of its tools", () => {
  it.each([
    ["JSON", "application/json", JSON.stringify(LIST)],
    ["one event", "text/event-stream", `event: message\ndata: ${JSON.stringify(LIST)}\n\n`],
    ["an event that nothing ends", "text/event-stream; charset=utf-8", `data:${JSON.stringify(LIST)}`],
    [
      "an event in several lines",
      "text/event-stream",
      `data: ${JSON.stringify(LIST, null, 1).replaceAll("\n", "\r\ndata: ")}\r\n\r\n`,
    ],
    [
      "an event after others",
      "text/event-stream",
      `: here\n\nretry: 1\n\ndata: {"method":"x"}\n\ndata: ${JSON.stringify(LIST)}\n\n`,
    ],
  ])("is read from %s", (_, contentType, text) => {
    const page = read(contentType, text);
    expect(page).toMatchObject({ ok: true, value: { nextCursor: "2", tools: [{ name: "a" }] } });
  });

  it("is told apart by every member, and by no order of them", () => {
    const digestOf = (tool: object) => {
      const page = read(null, JSON.stringify({ result: { tools: [tool] } }));
      return page.ok ? page.value.tools[0]?.digest : undefined;
    };
    const plain = digestOf({ name: "a", description: "A" });
    expect(digestOf({ description: "A", name: "a" })).toBe(plain);
    for (const other of [{ title: "T" }, { annotations: { readOnlyHint: true } }, { inputSchema: {} }, { _meta: {} }])
      expect(digestOf({ name: "a", description: "A", ...other })).not.toBe(plain);
  });

  it("includes what the server says of itself", () => {
    const page = read(null, JSON.stringify({ result: { instructions: "Do" } }));
    expect(page).toMatchObject({
      ok: true,
      value: { tools: [{ name: "(instructions)", definition: canonicalJson("Do") }] },
    });
  });

  it.each([
    ["no JSON", "{"],
    ["a member twice", '{"result":{"tools":[{"name":"a","name":"b"}]}}'],
    ["one name twice", '{"result":{"tools":[{"name":"a"},{"name":"a","x":1}]}}'],
    ["one name twice in two messages", '[{"result":{"tools":[{"name":"a"}]}},{"result":{"tools":[{"name":"a"}]}}]'],
    ["a tool without a name", '{"result":{"tools":[{}]}}'],
    ["tools that are no list", '{"result":{"tools":{}}}'],
    ["a text in place of a message", '"tools"'],
  ])("is nothing where there is %s", (_, text) => {
    expect(read("application/json", text)).toEqual({ ok: false, error: "unreadable" });
  });
});

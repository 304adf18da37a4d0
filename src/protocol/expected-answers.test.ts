import { describe, expect, it } from "vitest";
import { ExpectedAnswers } from "./expected-answers.ts";

const call = (id: unknown) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "a" } }) as never;
const answer = (id: unknown, more: object = { result: {} }) => JSON.stringify({ jsonrpc: "2.0", id, ...more });

describe("what a server may answer", () => {
  it.each<[string, unknown, string]>([
    ["the call's result", 5, answer(5)],
    ["its error", 5, answer(5, { error: { code: -32_000, message: "no" } })],
    ["a text for an id", "a", answer("a")],
    ["an error about what could not be read", 5, answer(null, { error: { code: -32_700, message: "no" } })],
    ["a notification", 5, '{"jsonrpc":"2.0","method":"notifications/progress","params":{"id":9,"result":{"id":1}}}'],
    ["a question of its own", 5, '{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{}}'],
    ["whatever stands deeper", 5, answer(5, { result: { id: 1, a: [{ id: 2, id2: 3 }], constructor: "x" } })],
  ])("is %s", (_, id, text) => {
    expect(new ExpectedAnswers(call(id)).take(text)).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ["the answer to another call", 5, answer(6)],
    ["a text where a number was", 5, answer("5")],
    ["a number where a text was", "5", answer(5)],
    ["a list for an id", 5, answer([5])],
    ["null for an id", 0, answer(null)],
    ["no id", 5, '{"jsonrpc":"2.0","result":{}}'],
    ["an id that stands twice", 5, '{"jsonrpc":"2.0","id":6,"id":5,"result":{}}'],
    ["an id that stands twice, escaped", 5, '{"jsonrpc":"2.0","\\u0069d":6,"id":5,"result":{}}'],
    ["an id in two spellings", 5, '{"jsonrpc":"2.0","id":5,"ID":6,"result":{}}'],
    ["a result and an error", 5, answer(5, { result: {}, error: {} })],
    ["neither", 5, answer(5, {})],
    ["a result beside a method", 5, answer(6, { method: "ping", result: {} })],
    ["a method that is no text", 5, answer(5, { method: {} })],
    ["one more in a list", 5, `[${answer(5)},${answer(6)}]`],
    ["one twice in a list", 5, `[${answer(5)},${answer(5)}]`],
    ["a list in a list", 5, `[[${answer(5)}]]`],
    ["a list in a list beside a message", 5, `[[${answer(5)}],${answer(5)}]`],
    ["no message", 5, '"x"'],
    ["null", 5, "null"],
    ["no JSON", 5, "{"],
    ["two messages behind one another", 5, `${answer(5)}\n${answer(6)}`],
  ])("is not %s", (_, id, text) => {
    expect(new ExpectedAnswers(call(id)).take(text)).toBe(false);
  });

  it("is one answer to each call of a batch, and then nothing more", () => {
    const expected = new ExpectedAnswers([call(1), call("2"), { jsonrpc: "2.0", method: "notifications/x" }] as never);
    expect([expected.areComplete, expected.take(answer(1)), expected.take(answer(1))]).toEqual([false, true, false]);
    expect([expected.take(`[${answer("2")}]`), expected.areComplete]).toEqual([true, true]);
    expect(expected.take(answer("2"))).toBe(false);
  });
});

import { afterEach, expect, it, vi } from "vitest";
import { orFault } from "./mcp-fault.ts";

afterEach(() => void vi.restoreAllMocks());

it("passes on what succeeded", async () => {
  expect(await orFault(Promise.resolve("done"), "failed")).toBe("done");
});

it.each([
  ["an error", new TypeError("the key is 42"), "TypeError"],
  ["anything else", "the key is 42", "string"],
])("tells and writes down nothing of the words of %s", async (_, fault, reason) => {
  const lines = vi.spyOn(console, "log").mockReturnValue();
  expect(await orFault(Promise.reject(fault), "failed")).toBe("failed");
  expect(lines.mock.calls).toEqual([[JSON.stringify({ event: "request.failed", route: "/mcp", reason })]]);
});

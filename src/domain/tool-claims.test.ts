import { describe, expect, it } from "vitest";
import { falseReaders } from "./tool-claims.ts";

const SERVER = {
  tools: { read: { access: "read", operations: [] }, write: { access: "write", operations: [] } },
} as const;
const claiming = (name: string, annotations: unknown) => [
  { name, definition: JSON.stringify({ name, annotations }), digest: "" },
];

describe("what a tool says of itself", () => {
  it("is false where it writes and says that it only reads", () => {
    expect(falseReaders(claiming("write", { readOnlyHint: true }), SERVER)).toEqual(["write"]);
  });

  it.each([
    ["read", { readOnlyHint: true }],
    ["write", { readOnlyHint: false }],
    ["write", { readOnlyHint: "true" }],
    ["write", {}],
    ["write", null],
    ["write", "readOnlyHint"],
    ["unknown", { readOnlyHint: true }],
    ["toString", { readOnlyHint: true }],
  ])("is taken as it is otherwise: %s, %j", (name, annotations) => {
    expect(falseReaders(claiming(name, annotations), SERVER)).toEqual([]);
  });

  it("is nothing for the server's own instructions", () => {
    expect(falseReaders([{ name: "write", definition: '"Do"', digest: "" }], SERVER)).toEqual([]);
    expect(falseReaders([{ name: "write", definition: "null", digest: "" }], SERVER)).toEqual([]);
  });
});

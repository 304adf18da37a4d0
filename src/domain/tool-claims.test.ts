import { describe, expect, it } from "vitest";
import { falseReaders } from "./tool-claims.ts";

const SERVER = {
  tools: { read: { access: "read", operations: [] }, write: { access: "write", operations: [] } },
} as const;
const claiming = (name: string, annotations: unknown) => [
  { name, definition: JSON.stringify({ name, annotations }), digest: "" },
];

describe("what a tool says of itself", () => {
  it.each([
    { readOnlyHint: true },
    { readOnlyHint: "true" },
    { readOnlyHint: 1 },
    { readOnlyHint: {} },
    { ReadOnlyHint: true },
    { readonlyhint: true },
    { read_only_hint: true },
    { readOnlyHint: false, "readOnly\u200bHint": true },
  ])("is false where it writes and some host takes it for one that only reads: %j", (annotations) => {
    expect(falseReaders(claiming("write", annotations), SERVER)).toEqual(["write"]);
  });

  it("is false under any spelling of the annotations, too", () => {
    const definition = JSON.stringify({ name: "write", Annotations: { readOnlyHint: true } });
    expect(falseReaders([{ name: "write", definition, digest: "" }], SERVER)).toEqual(["write"]);
  });

  it.each([
    ["read", { readOnlyHint: true }],
    ["write", { readOnlyHint: false }],
    ["write", { readOnlyHint: "false" }],
    ["write", { readOnlyHint: null }],
    ["write", { readOnlyHint: 0 }],
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

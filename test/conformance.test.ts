import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { serverMetadata } from "../src/protocol/metadata.ts";

const text = readFileSync(join(ROOT, "docs", "conformance.md"), "utf8");
const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| ---"));

describe("docs/conformance.md", () => {
  it("has no empty cell", () => {
    expect(rows.length).toBeGreaterThan(60);
    for (const row of rows)
      for (const cell of row.split("|").slice(1, -1)) expect([row, cell.trim()]).not.toContain("");
  });

  it("names tests that are there", () => {
    const named = [...text.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)];
    expect(named.length).toBeGreaterThan(70);
    const missing = named.filter(
      ([, file, name]) => !readFileSync(join(ROOT, file ?? ""), "utf8").includes(name ?? ""),
    );
    for (const [, , name] of named) expect(name?.length).toBeGreaterThan(6);
    expect(missing.map(([cell]) => cell)).toEqual([]);
  });

  it("lists in the metadata only endpoints that a test of ours calls", () => {
    const tests = [...new Set([...text.matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map(([, file]) => file ?? ""))]
      .concat(["test/support/oauth-requests.ts", "cli/agent-client.ts"])
      .map((file) => readFileSync(join(ROOT, file), "utf8"))
      .join("\n");
    for (const [name, value] of Object.entries(serverMetadata("https://stint.test")))
      if (typeof value === "string" && name !== "issuer")
        expect([name, tests.includes(value.replace("https://stint.test", ""))]).toEqual([name, true]);
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";

const text = readFileSync(join(ROOT, "docs", "mcp.md"), "utf8");
const waiting = text.slice(text.indexOf("### Waiting for the human"), text.indexOf("### Tasks"));

/** Each test that a text names, with the file that is named before it. */
function testsIn(part: string): { file: string; name: string }[] {
  return [...part.matchAll(/`([^`]+\.test\.ts)`((?:,? "[^"]+")+)/g)].flatMap(([, file = "", names = ""]) =>
    [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => ({ file, name })),
  );
}

describe("docs/mcp.md", () => {
  it("names a test for each way of waiting", () => {
    const rows = waiting.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| ---"));
    expect(rows.length).toBeGreaterThan(8);
    for (const row of rows.slice(1)) expect([row, testsIn(row).length]).toEqual([row, expect.toSatisfy((n) => n > 0)]);
  });

  it("names tests that are there", () => {
    const missing = testsIn(text).filter(
      ({ file, name }) => name.length < 7 || !readFileSync(join(ROOT, file), "utf8").includes(name),
    );
    expect(missing).toEqual([]);
  });
});

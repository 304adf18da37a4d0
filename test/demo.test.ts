import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";

it("the demo does what it says, step by step, at a server that guards itself and at one behind the gateway", () => {
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, "demo", "main.ts")], { encoding: "utf8" });
  expect(stdout).toContain("Every step did what it says.");
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/undefined|\[object/);
  expect(stdout).toMatch(/guards itself[^]*The tool answers: Opened acme\/api#[0-9]+/);
  expect(stdout).toMatch(/one address: http:\S+\/mcp\/notes\n[^]*list_notes answers: Release on Monday\n/);
  expect(stdout).toMatch(/accepted as "Lists the notes"\n\s+stint servers dismiss notes --digest [\w-]{43}\n/);
});

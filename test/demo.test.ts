import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";

it("the demo does what it says, step by step", () => {
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, "demo", "main.ts")], { encoding: "utf8" });
  expect(stdout).toContain("Every step did what it says.");
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/undefined|\[object/);
});

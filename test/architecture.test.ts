import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";

const BESIDE = ["sdk/server", "examples"];

// A tree of its own under the project's rules: a file among the sources would have brokers that start meanwhile build again.
let tree: string;
beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), "stint-imports-"));
  copyFileSync(join(ROOT, ".oxlintrc.json"), join(tree, ".oxlintrc.json"));
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

/** Lints a line as if it stood in a folder of the source, or beside the source. */
function complaints(folder: string, line: string): string {
  const place = join(tree, BESIDE.includes(folder) ? "." : "src", folder);
  const file = join(place, "probe.ts");
  mkdirSync(place, { recursive: true });
  writeFileSync(file, `${line}\n`);
  return spawnSync(join(ROOT, "node_modules", ".bin", "oxlint"), [file], { cwd: tree, encoding: "utf8" }).stdout;
}

describe("imports go one way", () => {
  it.each([
    ["domain", 'import { z } from "zod";\nexport const x = z;'],
    ["domain", 'import { sha256 } from "../crypto/hash.ts";\nexport const x = sha256;'],
    ["domain", "export const x = Date.now();"],
    ["crypto", 'import { app } from "../app.ts";\nexport const x = app;'],
    ["protocol", 'import { Session } from "../durable/session.ts";\nexport const x = Session;'],
    ["protocol", 'import { jwtVerify } from "jose";\nexport const x = jwtVerify;'],
    ["connectors", 'export const x = fetch("https://a.test");'],
    ["notify", 'import { loadTenant } from "../tenancy.ts";\nexport const x = loadTenant;'],
    ["durable", 'import { renderError } from "../protocol/wire-error.ts";\nexport const x = renderError;'],
    ["routes", 'import { Session } from "../durable/session.ts";\nexport const x = Session;'],
    ["pages", 'import { sha256 } from "../crypto/hash.ts";\nexport const x = sha256;'],
    ["sdk/server", 'import { sha256 } from "../../src/crypto/hash.ts";\nexport const x = sha256;'],
    ["sdk/server", 'import { createHash } from "node:crypto";\nexport const x = createHash;'],
    ["sdk/server", "export const x = process.env;"],
    ["sdk/server", 'console.log("x");\nexport {};'],
    ["examples", 'import { StintClient } from "../cli/agent-client.ts";\nexport const x = StintClient;'],
    ["routes", 'console.log("x");\nexport {};'],
  ])("in %s, refuses %j", (folder, line) => {
    expect(complaints(folder, line)).toMatch(/no-restricted-imports|no-restricted-globals|no-console/);
  });

  it.each([
    ["routes", 'import type { Session } from "../durable/session.ts";\nexport type X = Session;'],
    ["sdk/server", 'import { jwtVerify } from "jose";\nexport const x = jwtVerify;'],
    ["examples", 'import { createServer } from "node:http";\nexport const x = createServer;'],
    ["protocol", 'import { err } from "../domain/result.ts";\nexport const x = err;'],
  ])("in %s, takes %j", (folder, line) => {
    expect(complaints(folder, line)).not.toMatch(/no-restricted-imports|no-restricted-globals/);
  });
});

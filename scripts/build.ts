import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "dist");
const STAMP = join(DIST, ".built-from");

/**
 * Builds the worker into `dist/index.js` as `wrangler deploy` would, unless it is built from these
 * very sources already. Answers the bundle's path; throws with the tool's own words when it fails.
 * Each file comes into its place whole, so a broker that starts meanwhile never reads half a worker.
 */
export function buildWorker(): string {
  const bundle = join(DIST, "index.js");
  const wanted = digestOfSources();
  if (existsSync(bundle) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return bundle;
  process.stderr.write("Building the worker…\n");
  mkdirSync(DIST, { recursive: true });
  const fresh = mkdtempSync(join(ROOT, ".building-"));
  try {
    const built = spawnSync(
      join(ROOT, "node_modules", ".bin", "wrangler"),
      ["deploy", "--dry-run", "--outdir", fresh],
      { cwd: ROOT, encoding: "utf8", env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" } },
    );
    if (built.status !== 0) throw new Error(`the worker does not build:\n${built.stdout}${built.stderr}`);
    for (const name of readdirSync(fresh)) renameSync(join(fresh, name), join(DIST, name));
    writeFileSync(STAMP, wanted);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return bundle;
}

function digestOfSources(): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of [...files.toSorted(), join(ROOT, "wrangler.toml"), join(ROOT, "package-lock.json")]) {
    hash.update(file.slice(ROOT.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${buildWorker()}\n`);

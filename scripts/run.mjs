// The one way in for `npm run …`: makes sure that the pinned tools are there, then hands over to
// the pinned Node. Plain JavaScript without dependencies, because it runs before there are any, on
// whatever Node the machine has.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const node = join(root, "node_modules", "node", "bin", "node");
const stamp = join(root, "node_modules", ".stint-installed");

/**
 * Installs what package-lock.json names, unless that is what is there. Not by `npm ci`, which refuses
 * a lock file that lacks another platform's optional binaries.
 */
function ensureInstalled() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && existsSync(node) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("Installing the pinned tools (npm install); this takes about half a minute…\n");
  const installed = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (installed.status !== 0 || !existsSync(node)) {
    process.stderr.write(
      "The installation failed. Check that the npm registry can be reached, then run the command again.\n",
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

ensureInstalled();
const [entry, ...args] = process.argv.slice(2);
const child = spawn(node, ["--disable-warning=ExperimentalWarning", join(root, entry), ...args], {
  stdio: "inherit",
  env: {
    ...process.env,
    PATH: `${bin}${delimiter}${join(root, "node_modules", "node", "bin")}${delimiter}${process.env.PATH ?? ""}`,
    WRANGLER_SEND_METRICS: "false",
  },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

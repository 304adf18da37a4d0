import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../demo/free-port.ts";
import { ROOT } from "../scripts/build.ts";
import { leave, temporaryDirectory } from "./leftovers.ts";

const START_DEADLINE_MS = 20_000;
const COMPATIBILITY_DATE = "2026-10-27";

/** A workerd of our own, on loopback. */
export interface Workerd {
  readonly port: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/**
 * Bundles one of the workers in `bench/workers/`, as `wrangler deploy` would.
 *
 * @param config the wrangler configuration that says what the worker exports
 * @returns the bundle's path
 */
export function bundleWorker(name: string, config = join(ROOT, "bench", "workers", "wrangler.toml")): string {
  const out = join(ROOT, "dist", "bench", name);
  const entry = join(ROOT, "bench", "workers", `${name}.ts`);
  const wrangler = join(ROOT, "node_modules", ".bin", "wrangler");
  const built = spawnSync(wrangler, ["deploy", entry, "--config", config, "--dry-run", "--outdir", out], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
  });
  if (built.status !== 0) throw new Error(`${entry} does not build:\n${built.stdout}${built.stderr}`);
  return join(out, `${name}.js`);
}

/** Runs a module on plain workerd, with its object classes on the local disk for as long as it runs. */
export async function startWorker(
  bundle: string,
  { objects = [] }: { objects?: readonly string[] } = {},
): Promise<Workerd> {
  const path = temporaryDirectory();
  mkdirSync(join(path, "objects"));
  const classes = objects.map((name) => `(className = "${name}", uniqueKey = "bench-${name}", enableSql = true)`);
  const bindings = objects.map(
    (name) => `(name = "${name.toUpperCase()}", durableObjectNamespace = (className = "${name}"))`,
  );
  const port = await freePort();
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "${relative(path, bundle)}")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      bindings = [${bindings.join(", ")}],
      durableObjectNamespaces = [${classes.join(", ")}],
      durableObjectStorage = (localDisk = "objects"),
      globalOutbound = "internet")),
    (name = "objects", disk = (path = "${join(path, "objects")}", writable = true)),
    (name = "internet", network = (allow = ["public", "private"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
`;
  const worker = await startWorkerd(config, { dataPath: path, port });
  return {
    ...worker,
    async stop() {
      await worker.stop();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Runs workerd with a configuration in Cap'n Proto text, until it answers. Its data stays when it stops. */
export async function startWorkerd(
  config: string,
  { dataPath, port, env = {} }: { dataPath: string; port: number; env?: Readonly<Record<string, string>> },
): Promise<Workerd> {
  const file = join(dataPath, "workerd.capnp");
  writeFileSync(file, config, { mode: 0o600 });
  const workerd = spawn(join(ROOT, "node_modules", ".bin", "workerd"), ["serve", file], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  const exited = new Promise<void>((done) => void workerd.on("exit", () => done()));
  leave(() => workerd.kill("SIGTERM"));
  const stop = async (): Promise<void> => {
    if (workerd.exitCode === null && workerd.signalCode === null) workerd.kill("SIGTERM");
    await exited;
  };
  for (let waited = 0; waited < START_DEADLINE_MS; waited += 5) {
    const listens = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (answer) => answer.arrayBuffer().then(() => true),
      () => false,
    );
    if (listens) return { port, pid: workerd.pid ?? 0, stop };
    await sleep(5);
  }
  await stop();
  throw new Error("workerd did not come up in time");
}

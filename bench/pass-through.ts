import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../demo/free-port.ts";
import { ROOT } from "../scripts/build.ts";

const START_DEADLINE_MS = 10_000;

/** A worker that passes everything on and does nothing else, in the same workerd: the floor of any proxy. */
export async function startPassThrough(upstreamUrl: string): Promise<{ port: number; stop(): void }> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "stint-bench-"));
  writeFileSync(
    join(directory, "worker.js"),
    `export default { async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = { "accept-encoding": "identity" };
      const { body, status } = await fetch(${JSON.stringify(upstreamUrl)} + pathname + search, { headers, redirect: "manual" });
      return new Response(body, { status });
    } };`,
  );
  const config = join(directory, "workerd.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-10-27", globalOutbound = "internet")),
    (name = "internet", network = (allow = ["public", "private"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
`,
  );
  const workerd = spawn(join(ROOT, "node_modules", ".bin", "workerd"), ["serve", config], { stdio: "inherit" });
  for (let waited = 0; waited < START_DEADLINE_MS; waited += 25) {
    const answer = await fetch(`http://127.0.0.1:${port}/things`).catch(() => undefined);
    if (answer?.ok === true) break;
    await sleep(25);
  }
  return {
    port,
    stop() {
      workerd.kill("SIGTERM");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

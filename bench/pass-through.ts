import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./leftovers.ts";
import { startWorker, type Workerd } from "./workerd.ts";

/** A worker that passes everything on and does nothing else, in the same workerd: the floor of any proxy. */
export async function startPassThrough(upstreamUrl: string): Promise<Workerd> {
  const directory = temporaryDirectory();
  const file = join(directory, "pass-through.js");
  writeFileSync(
    file,
    `export default { async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = { "accept-encoding": "identity" };
      const { body, status } = await fetch(${JSON.stringify(upstreamUrl)} + pathname + search, { headers, redirect: "manual" });
      return new Response(body, { status });
    } };`,
  );
  const worker = await startWorker(file);
  return {
    ...worker,
    async stop() {
      await worker.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./build.ts";

/** Runs one of the pinned tools with its output passed through; answers its exit code and what it printed. */
export function runTool(name: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(join(ROOT, "node_modules", ".bin", name), args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    process.stdout.write(chunk);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    process.stderr.write(chunk);
  });
  return new Promise((done) => {
    child.on("error", () => done({ code: 1, output }));
    child.on("exit", (code) => done({ code: code ?? 1, output }));
  });
}

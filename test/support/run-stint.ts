import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../scripts/build.ts";

/** Runs the command line as a user would. */
export function stint(
  args: string[],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  return new Promise((done) => child.on("exit", (code) => done({ code, stdout, stderr })));
}

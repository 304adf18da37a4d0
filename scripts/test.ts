import { ensureChromium } from "./chromium.ts";
import { runTool } from "./tool.ts";

/** Runs every test and ends with a line that says how many passed and failed. */
process.env["CHROMIUM_PATH"] = await ensureChromium().catch((fault: Error) => {
  process.stderr.write(`${fault.message}\n`);
  process.exit(1);
});
const { code, output } = await runTool("vitest", ["run", ...process.argv.slice(2)]);
// oxlint-disable-next-line no-control-regex -- colours
const plain = output.replaceAll(/\u001B\[[0-9;]*m/g, "");
const line = /^\s*Tests\s+(.*)$/m.exec(plain)?.[1] ?? "";
const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
const failedFiles = /^\s*Test Files\s+(.*)$/m.exec(plain)?.[1] ?? "";
const failed = Math.max(
  count("failed"),
  /(\d+) failed/.test(failedFiles) && count("failed") === 0 ? 1 : 0,
  code === 0 ? 0 : 1,
);
process.stdout.write(`${count("passed")} passed, ${code === 0 ? 0 : failed} failed\n`);
process.exitCode = code;

import { buildWorker } from "./build.ts";
import { schemaIsCurrent } from "./schema.ts";
import { runTool } from "./tool.ts";

/** What CI checks beside the tests, quickest first. */
const CHECKS: readonly (readonly [string, string, readonly string[]])[] = [
  ["format", "oxfmt", ["--check"]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings"]],
  ["binding types", "wrangler", ["types", "--check", "--strict-vars", "false"]],
  ["types of the worker", "tsc", ["-p", "tsconfig.json"]],
  ["types of the SDK", "tsc", ["-p", "sdk/tsconfig.json"]],
  ["types of the tools", "tsc", ["-p", "tsconfig.node.json"]],
];

let failed = 0;
const report = (name: string, ok: boolean): void => {
  if (!ok) failed += 1;
  process.stdout.write(`${ok ? "ok    " : "FAILED"}  ${name}\n`);
};
for (const [name, tool, args] of CHECKS) report(name, (await runTool(tool, args)).code === 0);
report("build", builds());
report("published schema is current (npm run schema writes it)", schemaIsCurrent());
process.stdout.write(`${CHECKS.length + 2 - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Whether these sources make a worker; the one that the tests have built from them will do. */
function builds(): boolean {
  try {
    return buildWorker() !== "";
  } catch (fault) {
    process.stderr.write(`${(fault as Error).message}\n`);
    return false;
  }
}

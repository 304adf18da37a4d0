import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const leftovers: (() => void)[] = [];

/** Has something synchronous done when this process ends, by itself, by a fault or by a signal. */
export function leave(undo: () => void): void {
  leftovers.push(undo);
}

/** A directory of our own, which goes away with this process at the latest. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "stint-bench-"));
  leave(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

process.on("exit", () => {
  for (const undo of leftovers.toReversed()) undo();
});
// Without a listener a signal ends the process and no other.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

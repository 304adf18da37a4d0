import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const KIB_PER_MIB = 1024;
/** Of Linux, whatever its kernel's own clock: `sysconf(_SC_CLK_TCK)`. */
const TICKS_PER_SECOND = 100;

/** How much memory a process holds at this moment. */
export function residentMib(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  return Math.round(Number(stdout.trim()) / KIB_PER_MIB);
}

/** How long a process has had a processor, in milliseconds; undefined where there is no /proc. */
export function processorMs(pid: number): number | undefined {
  try {
    // The name stands in parentheses and may hold anything; utime and stime are the 14th and 15th fields.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

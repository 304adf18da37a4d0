import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const KIB_PER_MIB = 1024;
const NS_PER_MS = 1e6;

/** How much memory a process holds at this moment. */
export function residentMib(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  return Math.round(Number(stdout.trim()) / KIB_PER_MIB);
}

/**
 * How long the threads of a process have had a processor, in milliseconds; undefined where the kernel does
 * not say. Not `/proc/PID/stat`, which counts in steps of ten.
 */
export function processorMs(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    return times.reduce((so, time) => so + Number(time), 0) / NS_PER_MS;
  } catch {
    return undefined;
  }
}

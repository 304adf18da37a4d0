import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "./cli-error.ts";

const ORPHAN_GRACE_MS = 3000;

interface LockHolder {
  readonly pid: number;
  readonly workerd_pid?: number;
}

/**
 * Keeps a second broker off a data directory. A lock whose holder is gone is taken over; a workerd
 * that the holder left behind (it was killed outright) is ended first, or it would write on.
 */
export async function lockDirectory(path: string): Promise<{ setWorkerd(pid: number): void; release(): void }> {
  const file = join(path, "lock");
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify({ pid: process.pid } satisfies LockHolder), { flag: "wx", mode: 0o600 });
      break;
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== "EEXIST") throw fault;
      await clearStaleLock(file, path);
    }
  }
  return {
    setWorkerd: (pid) =>
      writeFileSync(file, JSON.stringify({ pid: process.pid, workerd_pid: pid } satisfies LockHolder)),
    release: () => rmSync(file, { force: true }),
  };
}

async function clearStaleLock(file: string, path: string): Promise<void> {
  const holder = readHolder(file);
  if (holder !== undefined && holder.pid !== process.pid && commandLine(holder.pid)?.includes("serve") === true) {
    throw new CliError(
      `another broker (process ${holder.pid}) uses ${path}; stop it, or choose another --data directory`,
    );
  }
  const orphan = holder?.workerd_pid;
  if (orphan !== undefined && commandLine(orphan)?.includes(join(path, "workerd.capnp")) === true) {
    process.kill(orphan, "SIGTERM");
    for (let waited = 0; commandLine(orphan) !== undefined && waited < ORPHAN_GRACE_MS; waited += 50) await sleep(50);
    if (commandLine(orphan) !== undefined) process.kill(orphan, "SIGKILL");
  }
  rmSync(file, { force: true });
}

function readHolder(file: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as LockHolder;
  } catch {
    return undefined;
  }
}

/** What a process was started as; undefined when it is gone. Where there is no /proc, a live process counts as whatever is asked. */
function commandLine(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch {
    return undefined;
  }
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return line === "" ? undefined : line;
  } catch {
    return process.platform === "linux" ? undefined : "serve workerd.capnp";
  }
}

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../demo/until.ts";
import { ROOT } from "../../scripts/build.ts";
import { Approver, linksIn } from "./approver.ts";
import type { TestWorld } from "./world.ts";

/** The command line in a process of its own, as an agent's owner starts it. */
export interface StintProcess {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<number | null>;
}

/** An agent on somebody's machine: its key in a file, its settings in the environment. */
export interface AgentMachine {
  readonly folder: string;
  readonly keyFile: string;
  /** Starts `stint` with an agent that no other test has used. */
  stint(args: readonly string[], env?: Readonly<Record<string, string>>): StintProcess;
  /** The environment that names an agent which no other test has used. */
  environment(): Record<string, string>;
  remove(): void;
}

export function agentMachine(world: TestWorld): AgentMachine {
  const folder = mkdtempSync(join(tmpdir(), "stint-agent-"));
  const keyFile = join(folder, "bot.jwk");
  writeFileSync(keyFile, JSON.stringify(world.keys.agent.privateJwk), { mode: 0o600 });
  let used = 0;
  const environment = (): Record<string, string> => {
    used += 1;
    return { STINT_URL: world.issuer, STINT_CLIENT_ID: `bot-${used}`, STINT_KEY_FILE: keyFile };
  };
  return {
    folder,
    keyFile,
    environment,
    stint: (args, env = {}) => startStint(args, { ...environment(), ...env }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function startStint(args: readonly string[], env: Readonly<Record<string, string>>): StintProcess {
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((done) => void child.on("close", (code) => done(code)));
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

/** The approver who was sent the link for a task. */
export async function approverOf(world: TestWorld, task: string): Promise<Approver> {
  const slackId = await world.emulators.slackId("dana");
  const token = await until(`the link for ${task}`, async () => {
    const messages = await world.emulators.directMessages(slackId);
    return linksIn(messages.find((message) => message.includes(task)) ?? "")[0];
  });
  return new Approver(world.issuer, token);
}

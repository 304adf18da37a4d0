import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { CliError } from "./cli-error.ts";
import { CANNOT_RUN, NOT_FOUND } from "./exit-codes.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Told of each signal that comes while it listens, in place of ending the process. */
export class Signals {
  onSignal: (signal: NodeJS.Signals) => void = () => undefined;
  readonly #take = (signal: NodeJS.Signals): void => this.onSignal(signal);

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#take);
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#take);
  }
}

/** Runs a program in our place at the terminal, with signals passed on, and answers its exit code as a shell would. */
export async function runProgram(
  [command = "", ...args]: readonly string[],
  env: Record<string, string>,
  signals: Signals,
): Promise<number> {
  const child = spawn(command, args, { env, stdio: "inherit" });
  signals.onSignal = (signal) => {
    // The terminal has sent Ctrl-C and Ctrl-\ to the program already; twice is an order to many to drop everything.
    if (!["SIGINT", "SIGQUIT"].includes(signal) || !process.stdin.isTTY) child.kill(signal);
  };
  try {
    return await exitOf(child, command);
  } finally {
    signals.onSignal = () => undefined;
  }
}

/** What a shell makes of the end of a program by a signal. */
export function codeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

function exitOf(child: ChildProcess, command: string): Promise<number> {
  return new Promise((done, fail) => {
    child.once("exit", (code, signal) => done(signal === null ? (code ?? CANNOT_RUN) : codeOfSignal(signal)));
    child.once("error", ({ code }: NodeJS.ErrnoException) => {
      const isMissing = code === "ENOENT";
      fail(
        new CliError(
          isMissing ? `there is no program "${command}"` : `"${command}" cannot be run (${code})`,
          isMissing ? NOT_FOUND : CANNOT_RUN,
        ),
      );
    });
  });
}

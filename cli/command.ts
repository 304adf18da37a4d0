/** One command of the program. */
export interface Command {
  /** A line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints. */
  readonly help: string;
  /** Does it; answers the exit code. */
  run(args: string[]): Promise<number>;
}

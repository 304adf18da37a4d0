/** A fault that the user can mend; its message says how. */
export class CliError extends Error {
  readonly exitCode: number;

  /** @param exitCode 1 for a failure, 2 for wrong usage */
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

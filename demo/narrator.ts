/** Tells what happens, step by step, and fails the demo where a step did not do what it says. */
export class Narrator {
  #step = 0;

  step(text: string): void {
    this.#step += 1;
    process.stdout.write(`\n${this.#step}. ${text}\n`);
  }

  say(text: string): void {
    process.stdout.write(`   ${text.replaceAll("\n", "\n   ")}\n`);
  }

  /** Shows an answer as it was. */
  show(value: unknown): void {
    this.say(
      JSON.stringify(
        value,
        (_, member: unknown) => (typeof member === "string" && member.length > 90 ? `${member.slice(0, 60)}…` : member),
        1,
      ).replaceAll(/\n\s*/g, " "),
    );
  }

  /** Throws unless it is so. */
  check(holds: boolean, what: string): void {
    if (!holds) throw new Error(`step ${this.#step} did not do what it says: ${what}`);
    this.say(`✓ ${what}`);
  }
}

import { within } from "../within.ts";

/** How long those are waited for at most that were here a moment ago, in milliseconds. */
const GATHER_MS = 1;

/**
 * Runs a transaction at once when the object is idle, and otherwise together with all that arrive
 * while the commit before them is on its way to the disk, so that they share the next one. Where
 * several were on their way at once, as many are waited for the next time: their callers have had their
 * answers and mostly come again. Who comes alone waits for nobody. Each is still a transaction of
 * its own: it reads storage when it runs, and one that throws undoes only itself.
 *
 * The commit is the dearest part of an exchange; the answers leave when it is durable.
 */
export class GroupCommit {
  readonly #transaction: <T>(work: () => T) => T;
  readonly #sync: () => Promise<void>;
  #waiting: (() => void)[] = [];
  #busy = false;
  /** How many were on their way when the last commit was over: those it was for, and those who had come meanwhile. */
  #expected = 1;
  /** Resolves when all who are expected are here. */
  #complete: PromiseWithResolvers<void> | undefined;

  /**
   * @param transaction runs a transaction now
   * @param sync resolves when all that was written is on the disk
   */
  constructor(transaction: <T>(work: () => T) => T, sync: () => Promise<void>) {
    this.#transaction = transaction;
    this.#sync = sync;
  }

  /** Resolves with what `work` returned. `work` is synchronous and must not be an async function. */
  run<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push(() => {
      try {
        resolve(this.#transaction(work));
      } catch (fault) {
        reject(fault);
      }
    });
    if (this.#waiting.length >= this.#expected) this.#complete?.resolve();
    if (!this.#busy) void this.#work();
    return promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    do {
      if (this.#waiting.length < this.#expected) await this.#gather();
      const answered = await this.#commit();
      this.#expected = answered + this.#waiting.length;
    } while (this.#waiting.length > 0);
    this.#busy = false;
  }

  async #gather(): Promise<void> {
    this.#complete = Promise.withResolvers();
    await within(GATHER_MS, this.#complete.promise);
  }

  /** Runs all that wait, and commits; answers how many they were. */
  async #commit(): Promise<number> {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const transaction of batch) transaction();
    // A commit that fails breaks the object and with it every answer; there is nothing to mend here.
    await this.#sync().catch(() => undefined);
    return batch.length;
  }
}

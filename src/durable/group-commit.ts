/**
 * Runs a transaction at once when the object is idle, and otherwise together with all that arrive
 * while the commit before them is on its way to the disk, so that they share the next one. Each is
 * still a transaction of its own: it reads storage when it runs, and one that throws undoes only
 * itself.
 *
 * The commit is the dearest part of an exchange; the answers leave when it is durable.
 */
export class GroupCommit {
  readonly #transaction: <T>(work: () => T) => T;
  readonly #sync: () => Promise<void>;
  #waiting: (() => void)[] = [];
  #committing = false;

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
    if (!this.#committing) this.#flush();
    return promise;
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const transaction of batch) transaction();
    void this.#commit();
  }

  async #commit(): Promise<void> {
    this.#committing = true;
    // A commit that fails breaks the object and with it every answer; there is nothing to mend here.
    await this.#sync().catch(() => undefined);
    this.#committing = false;
    if (this.#waiting.length > 0) this.#flush();
  }
}

/**
 * How long a crowd is waited for, in milliseconds. Where the disk is quick, a commit is over before the
 * next request has been read: 8 at once then shared one by three, and by gathering get an eighth more done.
 */
const GATHER_MS = 1;

/**
 * Runs a transaction at once when the object is idle, and otherwise together with all that arrive
 * while the commit before them is on its way to the disk, or a moment later, so that they share the
 * next one. Who comes alone waits for nobody. Each is still a transaction of its own: it reads storage
 * when it runs, and one that throws undoes only itself.
 *
 * The commit is the dearest part of an exchange; the answers leave when it is durable.
 */
export class GroupCommit {
  readonly #transaction: <T>(work: () => T) => T;
  readonly #sync: () => Promise<void>;
  #waiting: (() => void)[] = [];
  #busy = false;
  /** Whether the last commit was shared, or came while others were on their way. */
  #crowded = false;

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
    if (!this.#busy) void this.#work();
    return promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    do {
      if (this.#crowded) await gather();
      const isShared = await this.#commit();
      this.#crowded = isShared || this.#waiting.length > 0;
    } while (this.#waiting.length > 0);
    this.#busy = false;
  }

  /** Runs all that wait, and commits; answers whether they were several. */
  async #commit(): Promise<boolean> {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const transaction of batch) transaction();
    // A commit that fails breaks the object and with it every answer; there is nothing to mend here.
    await this.#sync().catch(() => undefined);
    return batch.length > 1;
  }
}

function gather(): Promise<void> {
  return new Promise((done) => setTimeout(done, GATHER_MS));
}

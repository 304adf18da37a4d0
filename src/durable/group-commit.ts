/**
 * Runs the transactions of calls that arrive together in one turn of the event loop, so that they
 * share one commit to disk. Each is still a transaction of its own: it reads storage when it runs,
 * and one that throws undoes only itself.
 *
 * The commit is the dearest part of an exchange (DESIGN §7); the answers leave when it is durable.
 */
export class GroupCommit {
  readonly #storage: DurableObjectStorage;
  #waiting: (() => void)[] = [];

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Resolves with what `work` returned. `work` is synchronous and must not be an async function. */
  run<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push(() => {
      try {
        resolve(this.#storage.transactionSync(work));
      } catch (fault) {
        reject(fault);
      }
    });
    if (this.#waiting.length === 1) setTimeout(() => this.#flush(), 0);
    return promise;
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const transaction of batch) transaction();
  }
}

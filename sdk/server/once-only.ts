/** More proofs than an honest load shows within their life of two minutes. */
const MAX_REMEMBERED = 200_000;
/** How often a full memory is searched for what may be forgotten, in seconds: it takes as long as many requests. */
const SEARCH_PAUSE_SECONDS = 1;

/** Remembers what was used, so that it is used once (RFC 9449 §11.1). */
export interface OnceOnly {
  /**
   * Uses something up.
   *
   * @param rememberUntil epoch seconds, after which it would be refused anyway
   * @returns false when it was used before
   * @throws when it cannot tell, which refuses the request with 503
   */
  use(key: string, rememberUntil: number): boolean | Promise<boolean>;
}

/** The memory of one process. Several that share a resource need one memory between them. */
export class OnceInProcess implements OnceOnly {
  readonly #used = new Map<string, number>();
  #searchedAt = 0;

  use(key: string, rememberUntil: number): boolean {
    if (this.#used.has(key)) return false;
    if (this.#used.size >= MAX_REMEMBERED) this.#forget(Date.now() / 1000);
    // Forgetting what still counts would let it be used again.
    if (this.#used.size >= MAX_REMEMBERED) throw new Error("too many proofs to remember");
    this.#used.set(key, rememberUntil);
    return true;
  }

  #forget(now: number): void {
    if (now - this.#searchedAt < SEARCH_PAUSE_SECONDS) return;
    this.#searchedAt = now;
    for (const [key, until] of this.#used) if (until < now) this.#used.delete(key);
  }
}

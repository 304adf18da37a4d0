import { objectName } from "../domain/ids.ts";
import { log } from "../log.ts";
import type { Journal } from "./journal.ts";

/** Rows sent to the ledger in one call. */
const BATCH = 500;
/** How long rows may wait for company, in milliseconds. */
export const LINGER_MS = 2000;

/** Brings an object's journal to the tenant's ledger, at least once and in order. */
export class LedgerFeed {
  readonly #env: Env;
  readonly #source: string;
  readonly #journal: Journal;

  constructor(env: Env, source: string, journal: Journal) {
    this.#env = env;
    this.#source = source;
    this.#journal = journal;
  }

  /** How long from now the next feed should run; undefined when there is nothing to send. */
  delayMs(): number | undefined {
    return this.#journal.unsent(1).length > 0 ? LINGER_MS : undefined;
  }

  /**
   * Sends what the ledger lacks. A ledger that does not answer is no fault of the feeder's: its own
   * chain goes on, and what is missing is sent with the next feed.
   */
  async send(issuer: string): Promise<void> {
    try {
      await this.#sendAll(issuer);
    } catch {
      log("ledger.unreachable", { issuer, reason: this.#source });
    }
  }

  async #sendAll(issuer: string): Promise<void> {
    const ledger = this.#env.LEDGER.getByName(objectName(issuer));
    for (let events = this.#journal.unsent(BATCH); events.length > 0; events = this.#journal.unsent(BATCH)) {
      const held = await ledger.append(this.#source, events);
      this.#journal.markSent(held);
      if (held < events.at(-1)!.seq) return;
    }
  }
}

import { objectName } from "../domain/ids.ts";
import { log } from "../log.ts";
import { orTimeout } from "../within.ts";
import type { Journal } from "./journal.ts";

/** Rows sent to the ledger in one call. */
const BATCH = 500;
/** How long rows may wait for company, in milliseconds. */
export const LINGER_MS = 2000;
/** How long a ledger that takes nothing is left alone at most, in milliseconds. */
const MAX_PAUSE_MS = 10_000;
/** How long the ledger may take for one batch, in milliseconds. */
const LEDGER_DEADLINE_MS = 10_000;
/** More than any feed leaves behind whose ledger keeps up: with so many, a ledger that answers is too slow. */
const SLOW_ROWS = 10_000;

/** Brings an object's journal to the tenant's ledger, at least once and in order. */
export class LedgerFeed {
  readonly #env: Pick<Env, "LEDGER" | "TENANT">;
  readonly #source: string;
  readonly #journal: Journal;

  constructor(env: Pick<Env, "LEDGER" | "TENANT">, source: string, journal: Journal) {
    this.#env = env;
    this.#source = source;
    this.#journal = journal;
  }

  /** How long from now the next feed should run, longer the longer the ledger takes nothing; undefined when there is nothing to send. */
  delayMs(): number | undefined {
    const [oldest] = this.#journal.unsent(1);
    if (oldest === undefined) return undefined;
    const waitedMs = Date.now() - oldest.at * 1000;
    return Math.min(Math.max(LINGER_MS, waitedMs / 2), MAX_PAUSE_MS);
  }

  /**
   * Sends what the ledger lacks. A ledger that does not answer is no fault of the feeder's: its own
   * chain goes on, and what is missing is sent with the next feed. The tenant is told how much waits,
   * so that it does not grow without bound.
   */
  async send(issuer: string): Promise<void> {
    try {
      await this.#sendAll(issuer);
    } catch {
      log("ledger.unreachable", { issuer, reason: this.#source });
      await this.#report(issuer);
    }
  }

  async #sendAll(issuer: string): Promise<void> {
    const ledger = this.#env.LEDGER.getByName(objectName(issuer));
    for (let events = this.#journal.unsent(BATCH); events.length > 0; events = this.#journal.unsent(BATCH)) {
      if (this.#waitingRows() >= SLOW_ROWS) await this.#report(issuer);
      const held = await orTimeout(LEDGER_DEADLINE_MS, ledger.append(this.#source, events));
      this.#journal.markSent(held);
      if (held < events.at(-1)!.seq) return;
    }
  }

  async #report(issuer: string): Promise<void> {
    const tenant = this.#env.TENANT.getByName(objectName(issuer));
    // A tenant that does not answer either lets nothing pass anyway.
    await orTimeout(LEDGER_DEADLINE_MS, tenant.reportBacklog(this.#source, this.#waitingRows())).catch(() => undefined);
  }

  #waitingRows(): number {
    const [oldest] = this.#journal.unsent(1);
    return oldest === undefined ? 0 : this.#journal.head().seq - oldest.seq + 1;
  }
}

import { POLL_INTERVAL_SECONDS } from "../domain/session.ts";
import { nextTurn } from "../domain/turn.ts";
import { Bell } from "./bell.ts";
import type { SessionBooks } from "./session-books.ts";

/** How long one question waits for a decision: an object that was moved meanwhile shows in the next. */
const WAIT_MS = 5000;
/** As long as a call waits for a human who was shown where to look: nothing is kept of one who was not. */
const LOOK_WAIT_MS = 25_000;

/** What a client of the Model Context Protocol does until a human has decided. */
export class Waiting {
  readonly #books: SessionBooks;
  /** Rung when the human of a client that waits here did not want to look. */
  readonly #nobodyLooks = new Bell();

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  /** Waits for a decision, at most {@link WAIT_MS}. Who waits longer asks again. */
  async untilDecided(): Promise<void> {
    if (this.#isPending()) await this.#books.decided.wait(WAIT_MS);
  }

  /**
   * One question each {@link POLL_INTERVAL_SECONDS} is answered while nobody has decided: who comes
   * too early waits for the turn, or for the decision.
   *
   * @returns false for whoever comes while another waits already
   */
  async turn(): Promise<boolean> {
    if (!this.#isPending()) return true;
    const nowMs = Date.now();
    const turnMs = nextTurn(this.#books.store.poll()?.last_at, nowMs, POLL_INTERVAL_SECONDS * 1000);
    if (turnMs === undefined) return false;
    this.#books.store.recordPoll({ last_at: turnMs, interval_seconds: POLL_INTERVAL_SECONDS });
    if (turnMs > nowMs) await this.#books.decided.wait(turnMs - nowMs);
    return true;
  }

  /** Keeps that the client's human was asked this, so that they are not asked it again. */
  answerInput(name: string): void {
    const state = this.#books.current();
    if (state.status !== "pending") return;
    this.#books.oneTime.consume({ key: inputKey(name), rememberUntil: state.request_expires_at }, this.#books.now());
  }

  isAnswered(name: string): boolean {
    return this.#books.oneTime.isUsed(inputKey(name));
  }

  /** Waits until a human of this session's client did not want to look, at most {@link LOOK_WAIT_MS}. */
  untilNobodyLooks(): Promise<void> {
    return this.#nobodyLooks.wait(LOOK_WAIT_MS);
  }

  nobodyLooks(): void {
    this.#nobodyLooks.ring();
  }

  #isPending(): boolean {
    return this.#books.current().status === "pending";
  }
}

function inputKey(name: string): string {
  return `input:${name}`;
}

import { unitsOf } from "../domain/access.ts";
import { ok, type Result } from "../domain/result.ts";
import type { ActiveSession } from "../domain/session.ts";
import { claimStepUp, extend, settleStepUp, type Granted, type StepUp, type StepUpFault } from "../domain/step-up.ts";
import type { SessionBooks } from "./session-books.ts";

/** What comes on top of a session while it is at work. Each method belongs into one transaction. */
export class StepUps {
  readonly #books: SessionBooks;

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  /** Waits for one request for more at a time. */
  claim(requestId: string, until: number): Result<void, StepUpFault> {
    const claimed = claimStepUp(this.#books.store.state(), requestId, until, this.#books.now());
    if (!claimed.ok) return claimed;
    if (this.#books.current() !== claimed.value) {
      this.#books.store.write(claimed.value);
      this.#books.record("step_up.requested", { request_id: requestId });
    }
    return ok(undefined);
  }

  /** Takes a second approved grant in the place of the first; answers whether this session holds it now. */
  extend(more: Granted): boolean {
    const before = this.#books.current();
    if (before.status === "active" && holds(before, more.grant_digest)) return true;
    const leases = this.#books.leases.open();
    const extended = extend(before, more, leases, this.#books.now());
    if (!extended.ok) {
      this.#books.refuse({ reason: `step_up_${extended.error}`, grant_digest: more.grant_digest });
      return false;
    }
    this.#books.store.write(extended.value);
    this.#books.record("step_up.granted", {
      request_id: more.grant.extends?.request_id,
      person: more.decision.person,
      assurance: more.decision.assurance,
      grant_digest: more.grant_digest,
      units: more.grant.authorization_details.flatMap(unitsOf),
    });
    this.#books.queue("index:extended", { kind: "index" });
    this.#books.queueMessageUpdates();
    return true;
  }

  /** A request for more came to nothing. */
  over(requestId: string, how: StepUp["status"], comment?: string): void {
    const state = this.#books.current();
    if (state.status !== "active") return;
    const settled = settleStepUp(state, requestId, how, comment);
    if (settled === state) return;
    this.#books.store.write(settled);
    this.#books.record("step_up.over", { request_id: requestId, how });
  }
}

/** Whether a grant was taken already: the news of it may come twice. */
function holds({ grant_digest, earlier = [] }: ActiveSession, digest: string): boolean {
  return [grant_digest, ...earlier.map((granted) => granted.grant_digest)].includes(digest);
}

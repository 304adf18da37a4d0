import type { SessionAsk, StintClient } from "./agent-client.ts";
import { CliError } from "./cli-error.ts";
import type { GrantedSession } from "./granted-session.ts";
import { openRequest, waitForDecision, type Decision } from "./wait-for-decision.ts";

/** How long one question for a state waits for a decision: well within what hosts wait for a tool. */
const WAIT_MS = 20_000;

/** A session of this process. What was never asked for here is not there, whoever names it. */
export type HeldSession =
  | { readonly status: "pending"; readonly sessionId: string; readonly matchCode: string }
  | { readonly status: "active"; readonly session: GrantedSession }
  /** `why` in words, with the approver's own where they left one. */
  | { readonly status: "over"; readonly why: string; readonly isTakenBack?: true };

/** When a session was asked for, and when what is known of it changed last, in epoch seconds. */
export interface HeldTimes {
  readonly askedAt: number;
  readonly changedAt: number;
}

interface Entry {
  held: HeldSession;
  readonly askedAt: number;
  changedAt: number;
  readonly settled: Promise<unknown>;
}

/** The sessions that one process asked for, and the requests that still wait. */
export class HeldSessions {
  readonly #client: StintClient;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();

  constructor(client: StintClient) {
    this.#client = client;
  }

  /** Asks, and begins to wait. Throws a {@link CliError} when the broker refuses. */
  async ask(ask: SessionAsk): Promise<{ readonly sessionId: string; readonly matchCode: string }> {
    const opened = await openRequest(this.#client, ask);
    if (this.#closing.signal.aborted) {
      await this.#client.withdraw(opened.session_id);
      throw new CliError("the host has gone");
    }
    const { session_id: sessionId, match_code: matchCode } = opened;
    const askedAt = nowSeconds();
    const entry: Entry = {
      held: { status: "pending", sessionId, matchCode },
      askedAt,
      changedAt: askedAt,
      settled: waitForDecision(this.#client, opened, this.#closing.signal)
        // That it was taken back is not overwritten by the broker's word for it.
        .then((decision) => entry.held.status === "pending" && become(entry, heldAs(decision)))
        .catch(() => undefined),
    };
    this.#entries.set(sessionId, entry);
    return { sessionId, matchCode };
  }

  /**
   * How a session stands; while nobody has decided, waits a moment for it.
   *
   * @returns undefined for a session that this process never asked for
   */
  async state(sessionId: string, signal: AbortSignal): Promise<HeldSession | undefined> {
    const entry = this.#entries.get(sessionId);
    if (entry?.held.status === "pending") {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]);
      const isOver = new Promise<void>((done) => enough.addEventListener("abort", () => done(), { once: true }));
      await Promise.race([entry.settled, isOver]);
    }
    return this.find(sessionId);
  }

  /** How a session stands, as far as this process knows. */
  find(sessionId: string): HeldSession | undefined {
    const held = this.#entries.get(sessionId)?.held;
    if (held?.status !== "active" || held.session.outcome === undefined) return held;
    return { status: "over", why: `the session has ended: ${held.session.outcome}` };
  }

  /** When a session that was asked for here changed. */
  times(sessionId: string): HeldTimes {
    const { askedAt, changedAt } = this.#entries.get(sessionId) ?? { askedAt: 0, changedAt: 0 };
    return { askedAt, changedAt };
  }

  /** Takes a request back. Where a human was faster, it is as they decided. */
  async withdraw(sessionId: string): Promise<void> {
    const entry = this.#entries.get(sessionId);
    if (entry?.held.status !== "pending") return;
    const { status } = await this.#client.withdraw(sessionId);
    if (status === 200) become(entry, { status: "over", why: "the request was taken back", isTakenBack: true });
    else await entry.settled;
  }

  /** Ends a session, or takes its request back. */
  async end(sessionId: string): Promise<string | undefined> {
    await this.withdraw(sessionId);
    const held = this.#entries.get(sessionId)?.held;
    return held?.status === "active" ? held.session.end() : undefined;
  }

  /** Ends everything, as far as the broker can be reached: nobody is left who could use it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#entries.values()].map(({ settled }) => settled));
    await Promise.allSettled([...this.#entries].map(([sessionId, { held }]) => this.#abandon(sessionId, held)));
  }

  async #abandon(sessionId: string, held: HeldSession): Promise<void> {
    if (held.status === "active") await held.session.finish();
    if (held.status === "pending") await this.#client.withdraw(sessionId);
  }
}

function become(entry: Entry, held: HeldSession): void {
  entry.held = held;
  entry.changedAt = nowSeconds();
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function heldAs(decision: Decision): HeldSession {
  switch (decision.kind) {
    case "approved":
      return { status: "active", session: decision.session };
    case "denied":
      return {
        status: "over",
        why: `a human refused the request${decision.comment === undefined ? "" : `, saying: ${decision.comment}`}`,
      };
    case "expired":
      return { status: "over", why: "nobody decided in time" };
    case "refused":
      return { status: "over", why: decision.why };
  }
}

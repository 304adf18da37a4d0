import type { SessionAsk, StintClient } from "./agent-client.ts";
import { CliError } from "./cli-error.ts";
import type { GrantedSession } from "./granted-session.ts";
import { openRequest, waitForDecision, type Decision } from "./wait-for-decision.ts";

/** How long one question for a state waits for a decision: well within what hosts wait for a tool. */
const WAIT_MS = 20_000;

/** A session of this process. What was never asked for here is not there, whoever names it. */
export type HeldSession =
  | { readonly status: "pending"; readonly matchCode: string }
  | { readonly status: "active"; readonly session: GrantedSession }
  /** `why` in words, with the approver's own where they left one. */
  | { readonly status: "over"; readonly why: string };

interface Entry {
  held: HeldSession;
  readonly settled: Promise<void>;
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
    const entry: Entry = {
      held: { status: "pending", matchCode: opened.match_code },
      settled: waitForDecision(this.#client, opened, this.#closing.signal)
        .then((decision) => void (entry.held = heldAs(decision)))
        .catch(() => undefined),
    };
    this.#entries.set(opened.session_id, entry);
    return { sessionId: opened.session_id, matchCode: opened.match_code };
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

  /** Ends a session, or takes its request back. */
  async end(sessionId: string): Promise<string | undefined> {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return undefined;
    const { held } = entry;
    if (held.status === "active") return held.session.end();
    if (held.status === "pending") {
      entry.held = { status: "over", why: "the request was taken back" };
      await this.#client.withdraw(sessionId);
    }
    return undefined;
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

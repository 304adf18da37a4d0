import type { History } from "../domain/facts.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import type { Admission, AdmitCommand, AdmitFault } from "./agent-commands.ts";
import type { Ask, AskStore } from "./ask-store.ts";
import type { VerdictStore } from "./verdict-store.ts";

/** Requests of one agent that may wait for a human at once. */
const MAX_PENDING = 5;
/** Requests of one agent in a minute. */
const MAX_ASKS_PER_MINUTE = 10;
const MINUTE_SECONDS = 60;
/** How long a repeated Idempotency-Key finds its first answer. */
const IDEMPOTENCY_SECONDS = 24 * 3600;
/** A repeated request has its history already. */
const NO_HISTORY: History = { approved: 0, denied: 0 };

/** Which requests of a client are let in. Each method belongs into one transaction. */
export class Admissions {
  readonly #asks: AskStore;
  readonly #verdicts: VerdictStore;

  constructor(asks: AskStore, verdicts: VerdictStore) {
    this.#asks = asks;
    this.#verdicts = verdicts;
  }

  /** Finds the request that this one repeats, or gives it a place of its own, as far as the caps have one. */
  place(command: AdmitCommand, now: number): Result<Admission, AdmitFault> {
    const { sessionId, contentDigest, idempotencyKey, deadUntil, lane = "" } = command;
    this.#forgetOld(now);
    // What was cut off waits no longer, whether its session has said so yet or not.
    this.#asks.closeUntil(deadUntil);
    const repeated = this.#repeated(command);
    if (!repeated.ok) return repeated;
    if (repeated.value !== undefined) {
      const { session_id, requested_at } = repeated.value;
      return ok({ session_id, requested_at, repeated: true, history: NO_HISTORY });
    }
    // In the very second of a cut-off a request would be born dead, and nobody be told.
    if (now <= deadUntil) return err({ reason: "just_cut_off", retryAfter: deadUntil - now + 1 });
    const fault = this.#exceeded(lane, now);
    if (fault !== undefined) return err(fault);
    const ask = { session_id: sessionId, content_digest: contentDigest, requested_at: now };
    this.#asks.add(ask, lane, idempotencyKey);
    return ok({
      session_id: sessionId,
      requested_at: now,
      repeated: false,
      history: this.#verdicts.history(lane, now),
    });
  }

  /** By its Idempotency-Key, or an open one that asks the same. */
  #repeated({ idempotencyKey, contentDigest }: AdmitCommand): Result<Ask | undefined, AdmitFault> {
    const byKey = idempotencyKey === undefined ? undefined : this.#asks.byIdempotencyKey(idempotencyKey);
    if (byKey !== undefined && byKey.content_digest !== contentDigest) return err({ reason: "idempotency_conflict" });
    return ok(byKey ?? this.#asks.waitingFor(contentDigest));
  }

  #exceeded(lane: string, now: number): AdmitFault | undefined {
    const suspendedUntil = this.#verdicts.suspendedUntil(lane, now);
    if (suspendedUntil !== undefined) return { reason: "suspended", retryAfter: suspendedUntil - now };
    const recent = this.#asks.madeSince(lane, now - MINUTE_SECONDS);
    if (recent.n >= MAX_ASKS_PER_MINUTE)
      return { reason: "too_often", retryAfter: Math.max(1, (recent.first ?? now) + MINUTE_SECONDS - now) };
    const waiting = this.#asks.waiting(lane);
    if (waiting.n >= MAX_PENDING)
      return {
        reason: "too_many_pending",
        retryAfter: Math.max(1, (waiting.first ?? now) + REQUEST_LIFETIME_SECONDS - now),
      };
    return undefined;
  }

  /** What time alone settles: requests that nobody decided, keys and denials that are old. */
  #forgetOld(now: number): void {
    this.#asks.closeUntil(now - REQUEST_LIFETIME_SECONDS);
    this.#asks.forgetUntil(now - IDEMPOTENCY_SECONDS);
    this.#verdicts.forgetOld(now);
  }
}

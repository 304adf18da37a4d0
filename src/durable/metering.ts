import { limitsOf, unitsOf } from "../domain/access.ts";
import { exceeded, leftOf, sum, tightest, type LimitName, type LimitReached, type Limits } from "../domain/limits.ts";
import { compilePatterns } from "../domain/pattern.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { ActiveSession } from "../domain/session.ts";
import type { SessionBooks } from "./session-books.ts";
import type { CallCommand, ReserveCommand, UseFault } from "./session-commands.ts";

/** What is reserved for an answer before anything of it is known: most are smaller. */
const FIRST_RESERVATION_BYTES = 64 * 1024;
/** The part of what is left that is reserved on mere suspicion, so that calls made at once do not refuse each other. */
const SHARE_ON_SUSPICION = 1 / 16;

export type CallFault = UseFault | "not_granted" | LimitReached;

export interface AuthorizedCall {
  readonly session: ActiveSession;
  /** Bytes that this call may pass without asking again. */
  readonly reservedBytes: number;
}

/**
 * Lets calls through and counts them. All of it is synchronous, so that the counters move in the
 * transaction of the event, and no interleaving of calls gets past a limit.
 *
 * Bytes are known only after they have passed, so they are reserved before and what was not needed is
 * given back: a proxy that dies in between has used up what it reserved, and never less.
 */
export class Metering {
  readonly #books: SessionBooks;

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  authorize(command: CallCommand): Result<AuthorizedCall, CallFault> {
    const { token, standing, upstream, calls, method, bodyBytes, about } = command;
    const used = this.#books.use(command);
    if (!used.ok) return used;
    const details = used.value.grant.authorization_details;
    const granted = new Set(details.flatMap(unitsOf));
    const allowedNow = compilePatterns(standing.allow);
    const refused = calls.find(({ unit }) => !granted.has(unit) || !allowedNow(unit));
    if (refused !== undefined || calls.length === 0) {
      this.#books.refuse({ reason: "not_granted", unit: refused?.unit, method });
      return err("not_granted");
    }
    const limits = tightest([limitsOf(details, upstream), command.limits]);
    const before = this.#books.usage.of(upstream);
    const charge = chargeOf(command);
    // One byte more than the body: a call whose answer could not even begin is better not made.
    const reached = exceeded(limits, sum(before, { ...charge, bytes: bodyBytes + 1 }));
    if (reached !== undefined) return this.#refuse(reached, limits, { upstream, unit: calls[0]?.unit, method });
    const leftBytes = (limits.bytes ?? Infinity) - before.bytes - bodyBytes;
    const reservedBytes = bodyBytes + onSuspicion(FIRST_RESERVATION_BYTES, leftBytes);
    this.#books.usage.write(upstream, sum(before, { ...charge, bytes: reservedBytes }));
    for (const { unit, times } of calls)
      this.#books.record("call.authorized", {
        jti: token.jti,
        unit,
        method,
        ...(times === 1 ? {} : { times }),
        ...about,
      });
    return ok({ session: used.value, reservedBytes });
  }

  /** Reserves more for a call that is on its way; nothing once the session has ended. */
  reserveMore(command: ReserveCommand): Result<number, "ended" | LimitReached> {
    const { upstream, neededBytes, spareBytes } = command;
    const state = this.#books.current();
    if (state.status !== "active") return err("ended");
    const limits = tightest([limitsOf(state.grant.authorization_details, upstream), command.limits]);
    const before = this.#books.usage.of(upstream);
    const leftBytes = (limits.bytes ?? Infinity) - before.bytes - neededBytes;
    if (leftBytes < 0) return this.#refuse("bytes", limits, { upstream });
    const bytes = neededBytes + onSuspicion(spareBytes, leftBytes);
    this.#books.usage.write(upstream, sum(before, { bytes }));
    return ok(bytes);
  }

  /**
   * A call needs no more than this of what it reserved: the rest is free again, and written down with
   * the next call. Not once the session has ended, of which the receipt says what was used.
   */
  settle(upstream: string, reservedBytes: number, neededBytes: number): void {
    if (this.#books.current().status !== "active") return;
    this.#books.usage.free(upstream, reservedBytes - neededBytes);
  }

  #refuse(
    limit: LimitName,
    limits: Limits,
    about: { readonly upstream: string; readonly unit?: string | undefined; readonly method?: string },
  ): Result<never, LimitReached> {
    this.#books.refuse({ reason: "limit_reached", limit, ...about });
    return err({ limit, limits, left: leftOf(limits, this.#books.usage.of(about.upstream)) });
  }
}

function chargeOf({ calls }: CallCommand): { calls: number; writes: number; units: number } {
  const total = (amount: (call: CallCommand["calls"][number]) => number): number =>
    calls.reduce((so, call) => so + amount(call) * call.times, 0);
  return {
    calls: total(() => 1),
    writes: total(({ access }) => (access === "write" ? 1 : 0)),
    units: total(({ cost }) => cost),
  };
}

function onSuspicion(bytes: number, leftBytes: number): number {
  return Math.min(bytes, Math.ceil(leftBytes * SHARE_ON_SUSPICION));
}

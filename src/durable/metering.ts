import { limitsOf, unitsOf } from "../domain/access.ts";
import { exceeded, leftOf, sum, tightest, type LimitName, type Limits, type Usage } from "../domain/limits.ts";
import { compilePattern } from "../domain/pattern.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { ActiveSession } from "../domain/session.ts";
import type { SessionBooks } from "./session-books.ts";
import type { CallCommand, UseFault } from "./session-commands.ts";

/** What is reserved for an answer before anything of it is known: most are smaller. */
const FIRST_RESERVATION_BYTES = 64 * 1024;

/** Why a call was refused that the grant would have allowed earlier. It never becomes possible again. */
export interface LimitReached {
  readonly limit: LimitName;
  readonly limits: Limits;
  readonly left: Limits;
}

export type CallFault = UseFault | "not_granted" | LimitReached;

export interface AuthorizedCall {
  readonly session: ActiveSession;
  /** Bytes that this call may pass without asking again; undefined where they are only counted. */
  readonly reservedBytes: number | undefined;
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
    const { token, standing, upstream, calls, method, bodyBytes } = command;
    const used = this.#books.use(command);
    if (!used.ok) return used;
    const { grant } = used.value;
    const granted = new Set(grant.authorization_details.flatMap(unitsOf));
    const allowed = standing.allow.map(compilePattern);
    const refused = calls.find(({ unit }) => !granted.has(unit) || !allowed.some((matches) => matches(unit)));
    if (refused !== undefined || calls.length === 0) {
      this.#books.refuse({ reason: "not_granted", unit: refused?.unit, method });
      return err("not_granted");
    }
    const limits = tightest([limitsOf(grant.authorization_details, upstream), command.limits]);
    const charge = chargeOf(command);
    const before = this.#books.usage.of(upstream);
    // One byte more than the body: a call whose answer could not even begin is better not made.
    const reached = exceeded(limits, sum(before, { ...charge, bytes: bodyBytes + 1 }));
    if (reached !== undefined) return this.#refuse(reached, limits, before, { unit: calls[0]?.unit, method });
    const reservedBytes = limits.bytes === undefined ? undefined : reserve(limits.bytes - before.bytes, bodyBytes);
    this.#books.usage.write(upstream, sum(before, { ...charge, bytes: reservedBytes ?? 0 }));
    for (const { unit, times } of calls) {
      this.#books.record("call.authorized", { jti: token.jti, unit, method, ...(times === 1 ? {} : { times }) });
    }
    return ok({ session: used.value, reservedBytes });
  }

  /** Reserves more for a call that is on its way, as much of `bytes` as is left; nothing once the session has ended. */
  reserveMore(upstream: string, callLimits: Limits, bytes: number): Result<number, "ended" | LimitReached> {
    const state = this.#books.current();
    if (state.status !== "active") return err("ended");
    const limits = tightest([limitsOf(state.grant.authorization_details, upstream), callLimits]);
    const before = this.#books.usage.of(upstream);
    const more = Math.min(bytes, (limits.bytes ?? Infinity) - before.bytes);
    if (more <= 0) return this.#refuse("bytes", limits, before, { upstream });
    this.#books.usage.write(upstream, sum(before, { bytes: more }));
    return ok(more);
  }

  /** A call has passed all that it will: what it reserved and did not need is free again. */
  settle(upstream: string, reservedBytes: number, passedBytes: number): void {
    this.#books.usage.write(upstream, sum(this.#books.usage.of(upstream), { bytes: passedBytes - reservedBytes }));
  }

  #refuse(
    limit: LimitName,
    limits: Limits,
    used: Usage,
    about: { readonly [name: string]: string | undefined },
  ): Result<never, LimitReached> {
    this.#books.refuse({ reason: "limit_reached", limit, ...about });
    return err({ limit, limits, left: leftOf(limits, used) });
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

function reserve(leftBytes: number, bodyBytes: number): number {
  return Math.min(leftBytes, bodyBytes + FIRST_RESERVATION_BYTES);
}

/** Calls that fail in a row until no more are tried. */
const FAILURES = 5;
/** How long none is tried then, in seconds. */
const OPEN_SECONDS = 10;
/** After this long without news, the call that tries whether the upstream is back counts as lost, in seconds. */
const PROBE_SECONDS = 60;

/**
 * Whether an upstream is worth calling. `closed`: it is. `open`: it failed again and again, and is left
 * alone for a while. `probing`: one call tries whether it is back; the others wait for that.
 */
export type Breaker =
  | { readonly status: "closed"; readonly failures: number }
  | { readonly status: "open"; readonly until: number }
  | { readonly status: "probing"; readonly until: number };

export const CLOSED: Breaker = { status: "closed", failures: 0 };

/** For how many more seconds no call may go out; 0 when one may. */
export function waitSeconds(breaker: Breaker, now: number): number {
  return breaker.status === "closed" ? 0 : Math.max(0, breaker.until - now);
}

/** A call that may go out does. */
export function begin(breaker: Breaker, now: number): Breaker {
  return breaker.status === "closed" ? breaker : { status: "probing", until: now + PROBE_SECONDS };
}

/** A call that was to go out did not, or says nothing of the upstream: the next one may try. */
export function withdraw(breaker: Breaker, now: number): Breaker {
  return breaker.status === "probing" ? { status: "open", until: now } : breaker;
}

/** How a call came out. */
export function settle(breaker: Breaker, hasAnswered: boolean, now: number): Breaker {
  if (hasAnswered) return CLOSED;
  const failures = breaker.status === "closed" ? breaker.failures + 1 : FAILURES;
  return failures < FAILURES ? { status: "closed", failures } : { status: "open", until: now + OPEN_SECONDS };
}

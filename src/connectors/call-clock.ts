export interface CallTimes {
  /** How long the upstream may take to begin its answer, once it has the whole request, in milliseconds. */
  readonly deadlineMs: number;
  /** How long nothing at all may move, either way, in milliseconds; at most twice as long. */
  readonly idleDeadlineMs: number;
  /** How long the whole exchange may take, in milliseconds. */
  readonly totalDeadlineMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** `timeout`: the upstream kept us waiting. `overdue`: it took too long, whoever was slow. `ended`: by its signal. */
export type ClockFault = "timeout" | "overdue" | "ended";

/** The clocks of one call to an upstream. {@link signal} aborts it when any of them has run out. */
export class CallClock {
  readonly #abort = new AbortController();
  readonly #times: CallTimes;
  readonly #whole: ReturnType<typeof setTimeout>;
  readonly #idle: ReturnType<typeof setInterval>;
  #head: ReturnType<typeof setTimeout> | undefined;
  #hasMoved = false;
  #headIsHere = false;
  #stopped = false;
  #fault: ClockFault | undefined;

  constructor(times: CallTimes) {
    this.#times = times;
    this.#whole = setTimeout(() => this.#end("overdue"), times.totalDeadlineMs);
    // One timer that looks back, instead of a new one for every chunk.
    this.#idle = setInterval(() => {
      if (!this.#hasMoved) this.#end("overdue");
      this.#hasMoved = false;
    }, times.idleDeadlineMs);
    if (times.signal.aborted) this.#end("ended");
    times.signal.addEventListener("abort", () => this.#end("ended"));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why the call was aborted, if it was. */
  get fault(): ClockFault | undefined {
    return this.#fault;
  }

  /** Bytes have gone one way or the other. */
  moved(): void {
    this.#hasMoved = true;
  }

  /** The request has left: from now on the upstream keeps us waiting, and not the caller. */
  expectHead(): void {
    if (!this.#stopped && !this.#headIsHere)
      this.#head = setTimeout(() => this.#end("timeout"), this.#times.deadlineMs);
  }

  headArrived(): void {
    this.#headIsHere = true;
    this.moved();
    clearTimeout(this.#head);
  }

  /** Ends it at once, by no fault of anybody's pace. */
  cut(): void {
    this.stop();
    this.#abort.abort();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#whole);
    clearTimeout(this.#head);
    clearInterval(this.#idle);
  }

  #end(fault: ClockFault): void {
    if (this.#stopped) return;
    this.stop();
    this.#fault = fault;
    this.#abort.abort();
  }
}

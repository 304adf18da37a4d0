import type { Limits } from "../domain/limits.ts";
import type { LimitReached } from "../durable/metering.ts";
import type { Session } from "../durable/session.ts";

/** The most that one stream reserves at a time, in bytes: what a proxy that dies leaves counted and unused. */
const MAX_RESERVATION_BYTES = 4 * 1024 * 1024;

/** A call that its session has let through. */
export interface MeteredCall {
  readonly session: DurableObjectStub<Session>;
  readonly upstream: string;
  /** Its limits beside those of the grant, as the session was told them. */
  readonly limits: Limits;
  /** What the session reserved for it; undefined where bytes are only counted. */
  readonly reservedBytes: number | undefined;
  /** What has passed by then: the request's body, where its length is known. */
  readonly passedBytes: number;
  /** Has a piece of work outlive the answer. */
  readonly later: (work: Promise<void>) => void;
}

/**
 * Counts the bytes of one call's bodies. Where the session is limited, no byte passes that was not
 * reserved before; what was reserved and not needed is given back at the end.
 */
export class ByteMeter {
  readonly #call: MeteredCall;
  #reservedBytes: number | undefined;
  #passedBytes: number;
  #reached: LimitReached | undefined;
  #ended = false;

  constructor(call: MeteredCall) {
    this.#call = call;
    this.#reservedBytes = call.reservedBytes;
    this.#passedBytes = call.passedBytes;
  }

  /** The limit that let no more pass, if one did. */
  get reached(): LimitReached | undefined {
    return this.#reached;
  }

  /** Reserves what an answer of this length needs, before any of it passes. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#reserveUpTo(this.#passedBytes + bytes, 0);
  }

  /** The request's body, counted. */
  request(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    return this.#through(body, () => undefined);
  }

  /** The answer's body, counted; with its end the call is over. */
  answer(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    return this.#through(body, () => this.end());
  }

  /** Nothing more will pass: the session is told what did. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { session, upstream, later } = this.#call;
    later(session.settle(upstream, this.#reservedBytes ?? 0, this.#passedBytes));
  }

  /** The same stream, which breaks off where no more may pass: a cut body must not look whole. */
  #through(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            onEnd();
            return controller.close();
          }
          // As much again as has passed, so that a long stream asks seldom and a short one reserves little.
          const spare = Math.min(this.#passedBytes, MAX_RESERVATION_BYTES);
          if (!(await this.#reserveUpTo(this.#passedBytes + value.byteLength, spare)))
            throw new RangeError("no more bytes may pass");
          this.#passedBytes += value.byteLength;
          controller.enqueue(value);
        } catch (fault) {
          onEnd();
          controller.error(fault);
          await reader.cancel().catch(() => undefined);
        }
      },
      cancel: (reason) => {
        onEnd();
        return reader.cancel(reason);
      },
    });
  }

  async #reserveUpTo(neededBytes: number, spareBytes: number): Promise<boolean> {
    while (this.#reservedBytes !== undefined && this.#reservedBytes < neededBytes) {
      const { session, upstream, limits } = this.#call;
      const more = await session.reserveBytes(upstream, limits, neededBytes - this.#reservedBytes + spareBytes);
      if (!more.ok) {
        if (more.error !== "ended") this.#reached = more.error;
        return false;
      }
      this.#reservedBytes += more.value;
    }
    return true;
  }
}

import type { LimitReached, Limits } from "../domain/limits.ts";
import type { Session } from "../durable/session.ts";
import type { PassingBody } from "./passing-body.ts";

/** The most that one stream reserves beyond its need, in bytes: what a proxy that dies leaves counted and unused. */
const MAX_SPARE_BYTES = 4 * 1024 * 1024;

/** A call that its session has let through. */
export interface MeteredCall {
  readonly session: DurableObjectStub<Session>;
  readonly upstream: string;
  /** Its limits beside those of the grant, as the session was told them. */
  readonly limits: Limits;
  /** What the session reserved for it. */
  readonly reservedBytes: number;
  /** The request's body. */
  readonly body: PassingBody;
  /** Has a piece of work outlive the answer. */
  readonly later: (work: Promise<void>) => void;
}

/**
 * Counts the bytes of one call's bodies. No byte passes that the session did not reserve before; what
 * was reserved and not needed is given back at the end.
 */
export class ByteMeter {
  readonly #call: MeteredCall;
  readonly #cut = new AbortController();
  #reservedBytes: number;
  #passedBytes: number;
  #reached: LimitReached | undefined;
  #ended = false;

  constructor(call: MeteredCall) {
    this.#call = call;
    this.#reservedBytes = call.reservedBytes;
    // A length that is known was charged before the call was let through.
    this.#passedBytes = call.body.bytes ?? 0;
  }

  /** The limit that let no more pass, if one did. */
  get reached(): LimitReached | undefined {
    return this.#reached;
  }

  /**
   * Aborted when no more may pass. The runtime closes a body whose stream fails as if it were complete:
   * only without a connection is it not.
   */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  /** The length of the request's body, if that is known. */
  get requestBytes(): number | undefined {
    return this.#call.body.bytes;
  }

  /** The request's body, counted. */
  request(): ReadableStream<Uint8Array> | null {
    const { stream, bytes } = this.#call.body;
    return stream === null || bytes !== undefined ? stream : this.#through(stream, () => undefined);
  }

  /** Reserves what an answer of this length needs, before any of it passes. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#reserveUpTo(this.#passedBytes + bytes, 0);
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
    later(session.settle(upstream, this.#reservedBytes, this.#passedBytes));
  }

  /** The same stream, which breaks off where no more may pass: a cut body must not look whole. */
  #through(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        try {
          const { done, value } = await readSome(reader);
          if (done) {
            onEnd();
            controller.close();
            controller.byobRequest?.respond(0);
            return;
          }
          // As much again as has passed, so that a long stream asks seldom and a short one reserves little.
          const spare = Math.min(this.#passedBytes, MAX_SPARE_BYTES);
          const hasRoom = await this.#reserveUpTo(this.#passedBytes + value.byteLength, spare);
          // A request's body may go on after its answer was complete and counted.
          if (!hasRoom || this.#ended) {
            this.#cut.abort();
            throw new RangeError("no more bytes may pass");
          }
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

  async #reserveUpTo(bytes: number, spareBytes: number): Promise<boolean> {
    if (bytes <= this.#reservedBytes) return true;
    const { session, upstream, limits } = this.#call;
    const neededBytes = bytes - this.#reservedBytes;
    const more = await session.reserveBytes({ upstream, limits, neededBytes, spareBytes });
    if (more.ok) this.#reservedBytes += more.value;
    else if (more.error !== "ended") this.#reached = more.error;
    return more.ok;
  }
}

/** The next bytes. An empty piece is none: a stream of bytes does not take it. */
async function readSome(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  for (;;) {
    const read = await reader.read();
    if (read.done || read.value.byteLength > 0) return read;
  }
}

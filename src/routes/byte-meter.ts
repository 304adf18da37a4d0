import type { LimitReached, Limits } from "../domain/limits.ts";
import type { Session } from "../durable/session.ts";
import type { AnswerCommand } from "../durable/session-commands.ts";
import { within } from "../within.ts";
import type { PassingBody } from "./passing-body.ts";
import type { BegunAnswer } from "./session-watch.ts";

/** The most that one stream reserves beyond its need, in bytes: what a proxy that dies leaves counted and unused. */
const MAX_SPARE_BYTES = 4 * 1024 * 1024;

/** How long an answer's head may wait for its body to begin, in milliseconds: an event stream may begin late. */
const FIRST_PIECE_PATIENCE_MS = 500;

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
    if (stream === null || bytes !== undefined) return stream;
    const reader = stream.getReader();
    return this.#through(
      reader,
      () => this.#next(reader),
      () => undefined,
    );
  }

  /**
   * Has the answer begin, if its session still lives and there is room for as much as its head says; of
   * what was reserved, no more is kept.
   *
   * @param length of the answer's body, if that is known
   * @param ask asks the session
   * @returns whether the session lives; {@link reached} says whether a limit forbids the answer
   */
  async begin(length: number | undefined, ask: (answer: AnswerCommand) => Promise<BegunAnswer>): Promise<boolean> {
    const { upstream, limits } = this.#call;
    const reservedBytes = this.#reservedBytes;
    const neededBytes = length === undefined ? reservedBytes : this.#passedBytes + length;
    const begun = await ask({ upstream, limits, reservedBytes, neededBytes });
    // A request's body may have gone on meanwhile, and reserved more.
    if (begun?.ok) this.#reservedBytes += begun.value - reservedBytes;
    // It may have freed already what is not needed: then nothing more may be.
    else if (begun === undefined) this.#ended = true;
    else if (begun.error === "ended") this.end();
    else this.#reached = begun.error;
    return begun !== undefined && (begun.ok || begun.error !== "ended");
  }

  /**
   * The answer's body, counted; with its end the call is over. Undefined where not even its first piece
   * may pass, so that this can still be said properly; a body that begins late is not waited for.
   */
  async answer(body: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array> | undefined> {
    const reader = body.getReader();
    let first: Promise<Uint8Array | undefined> | undefined = this.#next(reader);
    await within(
      FIRST_PIECE_PATIENCE_MS,
      first.catch(() => undefined),
    );
    if (this.#reached !== undefined) {
      this.end();
      await reader.cancel().catch(() => undefined);
      return undefined;
    }
    const next = (): Promise<Uint8Array | undefined> => {
      const piece = first ?? this.#next(reader);
      first = undefined;
      return piece;
    };
    return this.#through(reader, next, () => this.end());
  }

  /** As {@link answer}, of a body that is here already. */
  async wholeAnswer(body: Uint8Array): Promise<Uint8Array | undefined> {
    const hasRoom = await this.#reserveUpTo(this.#passedBytes + body.byteLength, 0);
    if (hasRoom) this.#passedBytes += body.byteLength;
    this.end();
    return hasRoom ? body : undefined;
  }

  /** Nothing more will pass: the session is told what did. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#passedBytes === this.#reservedBytes) return;
    const { session, upstream, later } = this.#call;
    later(session.settle(upstream, this.#reservedBytes, this.#passedBytes));
  }

  /** The next piece that may pass; none when the body is complete. Throws when there is one that may not. */
  async #next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    const { done, value } = await readSome(reader);
    if (done) return undefined;
    // As much again as has passed, so that a long stream asks seldom and a short one reserves little.
    const spare = Math.min(this.#passedBytes, MAX_SPARE_BYTES);
    const hasRoom = await this.#reserveUpTo(this.#passedBytes + value.byteLength, spare);
    // A request's body may go on after its answer was complete and counted.
    if (!hasRoom || this.#ended) {
      this.#cut.abort();
      throw new RangeError("no more bytes may pass");
    }
    this.#passedBytes += value.byteLength;
    return value;
  }

  /** A stream of these pieces, which breaks off where one throws: a cut body must not look whole. */
  #through(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    next: () => Promise<Uint8Array | undefined>,
    onEnd: () => void,
  ): ReadableStream<Uint8Array> {
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        try {
          const piece = await next();
          if (piece !== undefined) return controller.enqueue(piece);
          onEnd();
          controller.close();
          controller.byobRequest?.respond(0);
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

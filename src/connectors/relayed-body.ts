import type { EchoWatch } from "../domain/echo-watch.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { within } from "../within.ts";

/** Read at once from an upstream's answer, in bytes: less at first, because most answers are small. */
const READ_BYTES = 65_536;
const FIRST_READ_BYTES = 16_384;
/** How long the head of an answer may wait for its body to begin, in milliseconds: an event stream may begin late. */
const FIRST_BYTES_PATIENCE_MS = 500;
/** How long the first bytes of a body wait for its end, in milliseconds. It comes with them, or not soon. */
const END_PATIENCE_MS = 2;

export type BodyFault = "credential_echoed" | "too_large" | "broken";

export interface BodyRules {
  /** What may not be in it. */
  readonly watch: EchoWatch;
  /** The most that is passed on, decoded, in bytes. */
  readonly maxBytes: number;
  /** Cuts the body off, wherever it stands. */
  readonly signal: AbortSignal;
  /** Called whenever some of it came. */
  readonly moved: () => void;
  /** Called once, when no more of a body that was let begin will come: with the fault that broke it off, if one did. */
  readonly onEnd: (fault?: BodyFault) => void;
}

/**
 * Passes an upstream's body on as fast as it is taken, and judges it on the way. It waits for the
 * first bytes, so that most answers that may not pass are refused whole; later ones are broken off,
 * and never look complete. One that ends with its first bytes is answered whole: streams are what a
 * small answer would cost most.
 */
export async function relayBody(
  body: ReadableStream<Uint8Array>,
  { watch, maxBytes, signal, moved, onEnd }: BodyRules,
): Promise<Result<ReadableStream<Uint8Array> | Uint8Array, BodyFault>> {
  const reader = body.getReader({ mode: "byob" });
  let size = 0;
  let readBytes = FIRST_READ_BYTES;
  let isComplete = false;
  let ended = false;

  const end = (fault?: BodyFault): void => {
    if (ended) return;
    ended = true;
    onEnd(fault);
    if (fault !== undefined) void reader.cancel().catch(() => undefined);
  };

  /** The next bytes that may pass; none when the body is complete. */
  async function next(): Promise<Result<Uint8Array | undefined, BodyFault>> {
    for (;;) {
      const read = await reader.read(new Uint8Array(readBytes)).catch(() => undefined);
      if (read === undefined || signal.aborted) return err("broken");
      moved();
      size += read.value?.byteLength ?? 0;
      if (size > maxBytes) return err("too_large");
      isComplete = read.done;
      const free = read.done ? watch.end() : watch.push(read.value);
      if (free === undefined) return err("credential_echoed");
      if (free.length > 0) return ok(free);
      if (read.done) return ok(undefined);
    }
  }

  // A read that is waiting for a silent upstream must not outwait the end.
  signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
  const begun = [next()];
  const first = await within(FIRST_BYTES_PATIENCE_MS, begun[0]!);
  if (first?.ok === true && first.value !== undefined) begun.push(next());
  const second = begun[1] === undefined ? undefined : await within(END_PATIENCE_MS, begun[1]);
  const broken = [first, second].find((read) => read?.ok === false);
  if (broken?.ok === false) {
    void reader.cancel().catch(() => undefined);
    return broken;
  }
  if (isComplete && first?.ok === true && first.value !== undefined && second?.ok === true) {
    end();
    return ok(second.value === undefined ? first.value : concat(first.value, second.value));
  }
  readBytes = READ_BYTES;
  return ok(
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        const chunk = await (begun.shift() ?? next());
        if (!chunk.ok) {
          end(chunk.error);
          controller.error(new Error(chunk.error));
        } else if (chunk.value === undefined) {
          end();
          controller.close();
        } else controller.enqueue(chunk.value);
      },
      cancel() {
        end("broken");
      },
    }),
  );
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

import type { EchoWatch } from "../domain/echo-watch.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** Read at once from an upstream's answer, in bytes. */
const READ_BYTES = 65_536;
/** How long the head of an answer may wait for its body to begin, in milliseconds: an event stream may begin late. */
const FIRST_BYTES_PATIENCE_MS = 500;

export type BodyFault = "credential_echoed" | "too_large" | "broken";

export interface BodyRules {
  /** Its length as it is read, where the head of the answer says it. */
  readonly length: number | undefined;
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
 * and never look complete. One that came whole with its first bytes is answered whole: streams are what
 * a small answer would cost most.
 */
export async function relayBody(
  body: ReadableStream<Uint8Array>,
  { length, watch, maxBytes, signal, moved, onEnd }: BodyRules,
): Promise<Result<ReadableStream<Uint8Array> | Uint8Array, BodyFault>> {
  const reader = body.getReader({ mode: "byob" });
  let size = 0;
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
      const read = await reader.read(new Uint8Array(roomFor(length, size))).catch(() => undefined);
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
  let pending: ReturnType<typeof next> | undefined = next();
  const first = await within(FIRST_BYTES_PATIENCE_MS, pending);
  if (first?.ok === false) {
    void reader.cancel().catch(() => undefined);
    return first;
  }
  if (first?.value !== undefined && size === length) {
    const rest = await next();
    if (!rest.ok) {
      void reader.cancel().catch(() => undefined);
      return rest;
    }
    const whole = rest.value === undefined ? first.value : concat(first.value, rest.value);
    if (isComplete) {
      end();
      return ok(whole);
    }
    pending = Promise.resolve(ok(whole));
  }
  return ok(
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        const chunk = await (pending ?? next());
        pending = undefined;
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

/** How much is read next: no more than there can be, and at least what tells that it is over. */
function roomFor(length: number | undefined, size: number): number {
  return length === undefined ? READ_BYTES : Math.min(READ_BYTES, Math.max(1, length - size));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

/** What a promise comes to, if it does so in time. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

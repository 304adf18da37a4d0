/** Read at once from a caller's body, in bytes. */
const READ_BYTES = 65_536;

export interface BodyToSend {
  /** If it is known before it is sent. */
  readonly length: number | undefined;
  readonly maxBytes: number;
  /** Called whenever the upstream has taken some of it. */
  readonly moved: () => void;
  /**
   * Cuts the connection to the upstream: before anything else is done about a body that is not whole,
   * because the runtime ends one of unknown length whose stream fails as if it were complete.
   */
  readonly cut: () => void;
}

export interface SentBody {
  readonly readable: ReadableStream<Uint8Array>;
  /** Resolves when no more will be sent, with whether it was all. */
  readonly done: Promise<boolean>;
  /** What is wrong with the caller's own body, if something is. */
  fault(): "body_broken" | "body_too_large" | undefined;
}

/**
 * Passes a caller's body on as fast as the upstream takes it. One whose length is known keeps it, and
 * must come to it; one without may not grow past the cap. Pumped by hand, so that a caller who breaks
 * off is told from an upstream that does.
 */
export function sendBody(body: ReadableStream<Uint8Array>, { length, maxBytes, moved, cut }: BodyToSend): SentBody {
  const { readable, writable } = length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  const reader = body.getReader({ mode: "byob" });
  const writer = writable.getWriter();
  let fault: ReturnType<SentBody["fault"]>;

  async function breakOff(why: typeof fault): Promise<false> {
    fault = why;
    if (why !== undefined) cut();
    await Promise.allSettled([reader.cancel(), writer.abort(new Error(why ?? "the upstream takes no more"))]);
    return false;
  }

  async function pump(): Promise<boolean> {
    for (let size = 0; ;) {
      const read = await reader.read(new Uint8Array(READ_BYTES)).catch(() => undefined);
      if (read === undefined) return breakOff("body_broken");
      size += read.value?.byteLength ?? 0;
      if (size > maxBytes) return breakOff("body_too_large");
      if (read.done && length !== undefined && size !== length) return breakOff("body_broken");
      const taken = (read.done ? writer.close() : writer.write(read.value)).then(
        () => true,
        () => false,
      );
      if (!(await taken)) return breakOff(undefined);
      moved();
      if (read.done) return true;
    }
  }

  return { readable, done: pump(), fault: () => fault };
}

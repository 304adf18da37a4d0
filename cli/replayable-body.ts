import type { IncomingMessage } from "node:http";

/** A body up to this size is kept until the answer, so that it can be sent again under a new proof. */
export const KEPT_BYTES = 256 * 1024;

/** A request's body on its way through: streamed, and as long as it is small also remembered. */
export class ReplayableBody {
  readonly #source: AsyncIterator<Buffer>;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** How many chunks at the beginning are not kept any more. */
  #dropped = 0;
  #isDone = false;
  #pull: Promise<void> | undefined;

  constructor(incoming: IncomingMessage) {
    this.#source = incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  /** Whether all that was read so far can be read again. */
  get canReplay(): boolean {
    return this.#dropped === 0;
  }

  /** Reads from the beginning. A reader that was left behind must not be used again. */
  async *read(): AsyncGenerator<Buffer> {
    for (let at = 0; ; at += 1) {
      while (at - this.#dropped >= this.#kept.length && !this.#isDone) await this.#more();
      const chunk = this.#kept[at - this.#dropped];
      if (chunk === undefined) return;
      if (this.#keptBytes > KEPT_BYTES) this.#drop();
      yield chunk;
    }
  }

  /** One chunk more. The reader of an attempt that was given up may still be waiting for it: both get the same. */
  #more(): Promise<void> {
    this.#pull ??= this.#take();
    return this.#pull;
  }

  async #take(): Promise<void> {
    const { value, done } = await this.#source.next();
    this.#pull = undefined;
    if (done === true) this.#isDone = true;
    else {
      this.#kept.push(value);
      this.#keptBytes += value.length;
    }
  }

  #drop(): void {
    this.#dropped += this.#kept.length;
    this.#kept = [];
  }
}

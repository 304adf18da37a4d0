import { unescape } from "./unescape.ts";

/** Size of the table of pairs; a power of two. */
const PAIRS = 8192;
/** ASCII letters without regard to case. */
const FOLD = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));

/** Texts that are looked for, and the table by which the search skips ahead. Made once for many streams. */
export class EchoTexts {
  readonly shortest: number;
  readonly longest: number;
  readonly shift: Uint8Array;
  /** By their first byte. */
  readonly #byStart = new Map<number, Uint8Array[]>();

  /** @param forms in lower case, each of at least two characters; at least one */
  constructor(forms: readonly string[]) {
    const needles = forms.map(bytesOf);
    this.shortest = Math.min(...needles.map(({ length }) => length));
    this.longest = Math.max(...needles.map(({ length }) => length));
    this.shift = new Uint8Array(PAIRS).fill(Math.min(255, this.shortest - 1));
    for (const needle of needles) {
      for (let at = 0; at < this.shortest - 1; at += 1) {
        const pair = pairOf(needle[at]!, needle[at + 1]!);
        this.shift[pair] = Math.min(this.shift[pair]!, this.shortest - 2 - at);
      }
      const start = needle[0]!;
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), needle]);
    }
  }

  startingWith(byte: number): readonly Uint8Array[] {
    return this.#byStart.get(FOLD[byte]!) ?? [];
  }
}

/**
 * Looks for any of several texts in a stream of bytes, as they are and behind escapes
 * ({@link unescape}), wherever the chunks are cut. It holds back no more than what may be the beginning
 * of one, so that an event stream is not delayed.
 *
 * The search skips ahead by pairs of bytes (Wu and Manber, 1994), which costs less than reading them.
 */
export class EchoWatch {
  readonly #texts: EchoTexts;
  #held: Uint8Array = new Uint8Array();
  /** Where in what is held the two readings go on. */
  #plainFrom = 0;
  #escapedFrom = 0;

  constructor(texts: EchoTexts) {
    this.#texts = texts;
  }

  /** Whether a whole text holds one. */
  isIn(text: string): boolean {
    const bytes = bytesOf(text);
    const { bytes: plain, length } = unescape(bytes, true);
    return this.#find(bytes, 0, bytes.length) || this.#find(plain, 0, length);
  }

  /** Takes the next bytes; answers those that may go on, or undefined when one was found. */
  push(chunk: Uint8Array): Uint8Array | undefined {
    return this.#look(this.#held.length === 0 ? chunk : concat(this.#held, chunk), false);
  }

  /** Nothing follows: answers what was held back, or undefined when one was found. */
  end(): Uint8Array | undefined {
    const rest = this.#look(this.#held, true);
    this.#hold(new Uint8Array(), 0, 0);
    return rest;
  }

  #look(bytes: Uint8Array, isLast: boolean): Uint8Array | undefined {
    const escaped = unescape(bytes.subarray(this.#escapedFrom), isLast);
    if (this.#find(bytes, this.#plainFrom, bytes.length)) return undefined;
    if (this.#find(escaped.bytes, 0, escaped.length)) return undefined;
    if (isLast) return bytes;
    const plainFrom = this.#beginning(bytes, this.#plainFrom, bytes.length);
    const begun = this.#beginning(escaped.bytes, 0, escaped.length);
    const escapedFrom = this.#escapedFrom + (begun < escaped.length ? escaped.from[begun]! : escaped.complete);
    const free = Math.min(plainFrom, escapedFrom);
    this.#hold(bytes.slice(free), plainFrom - free, escapedFrom - free);
    return bytes.subarray(0, free);
  }

  #hold(bytes: Uint8Array, plainFrom: number, escapedFrom: number): void {
    this.#held = bytes;
    this.#plainFrom = plainFrom;
    this.#escapedFrom = escapedFrom;
  }

  #find(bytes: Uint8Array, from: number, to: number): boolean {
    const { shift, shortest } = this.#texts;
    for (let at = from + shortest - 2; at + 1 < to;) {
      const skip = shift[pairOf(FOLD[bytes[at]!]!, FOLD[bytes[at + 1]!]!)]!;
      if (skip > 0) at += skip;
      else {
        const start = at - shortest + 2;
        if (this.#texts.startingWith(bytes[start]!).some((needle) => isAt(bytes, start, to, needle) === "whole"))
          return true;
        at += 1;
      }
    }
    return false;
  }

  /** Where the longest beginning of a needle stands that the end of the bytes cuts off; `to` if there is none. */
  #beginning(bytes: Uint8Array, from: number, to: number): number {
    for (let at = Math.max(from, to - this.#texts.longest + 1); at < to; at += 1) {
      if (this.#texts.startingWith(bytes[at]!).some((needle) => isAt(bytes, at, to, needle) !== "other")) return at;
    }
    return to;
  }
}

function isAt(bytes: Uint8Array, start: number, to: number, needle: Uint8Array): "whole" | "cut off" | "other" {
  const length = Math.min(needle.length, to - start);
  for (let at = 0; at < length; at += 1) {
    if (FOLD[bytes[start + at]!] !== needle[at]) return "other";
  }
  return length === needle.length ? "whole" : "cut off";
}

/** A byte for each character; one that no header can hold becomes the last. By hand, for it is done for every call. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = Math.min(text.charCodeAt(at), 0xff);
  return bytes;
}

function pairOf(first: number, second: number): number {
  return ((first << 5) ^ second) & (PAIRS - 1);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

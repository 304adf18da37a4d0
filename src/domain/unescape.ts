/** Bytes that may stand between any two characters of what is looked for, such as the line ends in base64. */
const MAX_GAP = 64;
/** The longest escape that is undone: `&#x000041;`. */
const MAX_ESCAPE = 10;

const NAMED: ReadonlyMap<string, number> = new Map(
  Object.entries({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }).map(([name, char]) => [
    name,
    char.charCodeAt(0),
  ]),
);
const [BACKSLASH, PERCENT, AMPERSAND, SEMICOLON] = [0x5c, 0x25, 0x26, 0x3b];
/** `\n`, `\r`, `\t`, `\f`, `\b`, `\v`: white space, written out. */
const ESCAPED_GAPS = new Set([..."nrtfbv"].map((char) => char.charCodeAt(0)));
/** NUL as well, which stands between the letters of UTF-16. */
const GAPS = new Set([0x00, 0x09, 0x0a, 0x0d, 0x20]);
/** What takes the place of a character that no needle holds. */
const OTHER = 0xff;

const [PLAIN, WHITE, ESCAPING] = [0, 1, 2];
/** What a byte is; nearly all are plain and stand for themselves. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) =>
  GAPS.has(byte) ? WHITE : [BACKSLASH, PERCENT, AMPERSAND].includes(byte) ? ESCAPING : PLAIN,
);

export interface Unescaped {
  /** What the escapes stand for, without white space; `length` bytes of it. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** For each of them, where in the source it stands. */
  readonly from: Int32Array;
  /** Where an escape begins whose rest is still to come; else the length of the source. */
  readonly complete: number;
}

/**
 * Undoes percent-encoding, the escapes of JSON and JavaScript strings and HTML's character references,
 * and leaves white space out: one level of each, in any mixture.
 *
 * @param isLast whether nothing follows; then a broken escape stands for itself
 */
export function unescape(source: Uint8Array, isLast: boolean): Unescaped {
  const bytes = new Uint8Array(source.length);
  const from = new Int32Array(source.length);
  const end = source.length;
  let length = 0;
  let gap = 0;
  for (let at = 0; at < end;) {
    const byte = source[at]!;
    const kind = KIND[byte]!;
    if (kind === PLAIN) {
      bytes[length] = byte;
      from[length] = at;
      length += 1;
      at += 1;
      gap = 0;
      continue;
    }
    const escape = kind === WHITE ? WHITE_SPACE : readEscape(source, at, byte);
    if (escape === "incomplete" && !isLast) return { bytes, length, from, complete: at };
    const { code, width } = escape === "incomplete" ? { code: byte, width: 1 } : escape;
    gap = code === GAP ? gap + 1 : 0;
    if (code !== GAP || gap > MAX_GAP) {
      bytes[length] = code === GAP ? OTHER : code;
      from[length] = at;
      length += 1;
    }
    at += width;
  }
  return { bytes, length, from, complete: end };
}

/** As {@link unescape}, of a text in Latin-1. */
export function unescapeText(text: string): string {
  const { bytes, length } = unescape(
    Uint8Array.from(text, (char) => char.charCodeAt(0)),
    true,
  );
  return String.fromCharCode(...bytes.subarray(0, length));
}

/** In place of a code: the escape stands for white space. */
const GAP = -1;

interface Escape {
  readonly code: number;
  /** In bytes of the source. */
  readonly width: number;
}

const WHITE_SPACE: Escape = { code: GAP, width: 1 };

function readEscape(source: Uint8Array, at: number, byte: number): Escape | "incomplete" {
  switch (byte) {
    case PERCENT:
      return hexEscape(source, at, 1, 2) ?? { code: byte, width: 1 };
    case BACKSLASH:
      return readBackslash(source, at);
    default:
      return readReference(source, at);
  }
}

function readBackslash(source: Uint8Array, at: number): Escape | "incomplete" {
  const next = source[at + 1];
  if (next === undefined) return "incomplete";
  if (ESCAPED_GAPS.has(next)) return { code: GAP, width: 2 };
  const digits = next === 0x75 ? 4 : next === 0x78 ? 2 : 0;
  return (digits === 0 ? undefined : hexEscape(source, at, 2, digits)) ?? { code: next, width: 2 };
}

function hexEscape(source: Uint8Array, at: number, mark: number, digits: number): Escape | "incomplete" | undefined {
  const end = at + mark + digits;
  let code = 0;
  for (let place = at + mark; place < end; place += 1) {
    if (place >= source.length) return "incomplete";
    const digit = hexDigit(source[place]!);
    if (digit === undefined) return undefined;
    code = code * 16 + digit;
  }
  return { code: toByte(code), width: mark + digits };
}

function readReference(source: Uint8Array, at: number): Escape | "incomplete" {
  const itself = { code: AMPERSAND, width: 1 };
  let name = "";
  for (let place = at + 1; place < at + MAX_ESCAPE; place += 1) {
    const byte = source[place];
    if (byte === undefined) return "incomplete";
    if (byte === SEMICOLON) {
      const code = referenced(name);
      return code === undefined ? itself : { code, width: name.length + 2 };
    }
    if (!/^[#0-9a-zA-Z]$/.test(String.fromCharCode(byte))) return itself;
    name += String.fromCharCode(byte);
  }
  return itself;
}

function referenced(name: string): number | undefined {
  const hex = /^#[xX]([0-9a-fA-F]+)$/.exec(name)?.[1];
  if (hex !== undefined) return toByte(Number.parseInt(hex, 16));
  const decimal = /^#([0-9]+)$/.exec(name)?.[1];
  return decimal === undefined ? NAMED.get(name) : toByte(Number(decimal));
}

function toByte(code: number): number {
  return GAPS.has(code) ? GAP : code < OTHER ? code : OTHER;
}

function hexDigit(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}

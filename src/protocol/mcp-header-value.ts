const PACKED = /^=\?base64\?(.*)\?=$/su;
/** What a header holds in one way for all readers (RFC 9110 §5.5). */
const PLAIN = /^[\t\x20-\x7E]*$/;

/**
 * What a header that repeats a part of the body stands for (MCP 2026-07-28, streamable HTTP): itself, or
 * the text that is packed in it as Base64, because a header cannot hold every text.
 *
 * @returns undefined for what some readers would take for something else
 */
export function readHeaderValue(said: string): string | undefined {
  if (!PLAIN.test(said)) return undefined;
  const packed = PACKED.exec(said)?.[1];
  if (packed === undefined) return said;
  const bytes = Buffer.from(packed, "base64");
  // Decoders forgive padding that is missing and bits that are left over: then one text has many spellings.
  if (bytes.toString("base64") !== packed) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Limits of one piece of an agent's prose: characters as a reader counts them, bytes, and lines. */
export interface TextLimits {
  readonly graphemes: number;
  readonly bytes: number;
  readonly lines: number;
}

export const TITLE_LIMITS: TextLimits = { graphemes: 120, bytes: 480, lines: 1 };
export const DESCRIPTION_LIMITS: TextLimits = { graphemes: 2000, bytes: 8000, lines: 40 };

/** What an approver says to the agent along with a decision. */
export const COMMENT_LIMITS: TextLimits = { graphemes: 300, bytes: 1200, lines: 4 };

/** More marks on one base character than any script needs, and fewer than hide the line above. */
const MAX_GRAPHEME_UNITS = 12;

/**
 * Makes an agent's prose safe to stand beside facts: control, bidirectional and invisible
 * characters become visible (`U+202E`), characters buried under marks are cut, and the whole is cut
 * to its limits. What comes out is what is stored, digested and shown, so that no two readers of it
 * can see two different texts.
 */
export function cleanAgentText(text: string, limits: TextLimits): string {
  const lines = text
    .normalize("NFC")
    .replaceAll(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
    .split("\n")
    .map((line) => revealInvisible(line.trim()));
  const joined = limits.lines === 1 ? lines.join(" ") : lines.slice(0, limits.lines).join("\n");
  return cut(joined.replaceAll(/\n{3,}/g, "\n\n").trim(), limits);
}

/** C0 and C1 controls, format characters (bidi, zero width, tags), private use and unassigned ones. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u115F\u1160\u3164\uFFA0\u2800]/gu;

function revealInvisible(line: string): string {
  return line
    .replaceAll("\t", " ")
    .replaceAll(INVISIBLE, (char) => `[U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`);
}

let segmenter: Intl.Segmenter | undefined;

/** Made when it is first needed: its tables are a large part of what a start would cost. */
function graphemesOf(text: string): Iterable<Intl.SegmentData> {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return segmenter.segment(text);
}

function cut(text: string, limits: TextLimits): string {
  let kept = "";
  let graphemes = 0;
  let bytes = 0;
  for (const { segment } of graphemesOf(text)) {
    const part = segment.length > MAX_GRAPHEME_UNITS ? [...segment][0]! : segment;
    bytes += new TextEncoder().encode(part).length;
    graphemes += 1;
    if (graphemes > limits.graphemes || bytes > limits.bytes) return `${kept}…`;
    kept += part;
  }
  return kept;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanAgentText, DESCRIPTION_LIMITS, TITLE_LIMITS } from "./agent-text.ts";

describe("cleanAgentText (group I)", () => {
  it("keeps ordinary text in any script", () => {
    for (const text of [
      "Triage the open issues",
      "Größe prüfen",
      "問題を整理する",
      "تصنيف",
      "👩‍🚀".replaceAll("\u200D", ""),
    ]) {
      expect(cleanAgentText(text, TITLE_LIMITS)).toBe(text.normalize("NFC"));
    }
  });

  it.each([
    ["a bidirectional override", "a\u202Eb", "a[U+202E]b"],
    ["a zero width space", "a\u200Bb", "a[U+200B]b"],
    ["a control character", "a\u0007b", "a[U+0007]b"],
    ["a tag character", "a\u{E0041}b", "a[U+E0041]b"],
    ["a line end in a title", "a\r\nb", "a b"],
    ["a line separator", "a\u2028b", "a b"],
    ["a Hangul filler", "a\u3164b", "a[U+3164]b"],
  ])("shows or flattens %s", (_, text, cleaned) => {
    expect(cleanAgentText(text, TITLE_LIMITS)).toBe(cleaned);
  });

  it("cuts what is too long, stacked or tall", () => {
    expect(cleanAgentText("x".repeat(500), TITLE_LIMITS)).toHaveLength(TITLE_LIMITS.graphemes + 1);
    expect(cleanAgentText(`e${"\u0301".repeat(5000)}`, TITLE_LIMITS).length).toBeLessThan(5);
    expect(cleanAgentText("a\n\n".repeat(300), DESCRIPTION_LIMITS).split("\n").length).toBeLessThanOrEqual(
      DESCRIPTION_LIMITS.lines,
    );
  });

  it("never lets anything invisible or oversized through, and is stable when repeated", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
        (text) => {
          const cleaned = cleanAgentText(text, DESCRIPTION_LIMITS);
          expect(cleaned).not.toMatch(
            /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(cleaned.replaceAll("\n", "")) ? /^/ : /(?!)/,
          );
          expect(new TextEncoder().encode(cleaned).length).toBeLessThanOrEqual(DESCRIPTION_LIMITS.bytes + 3);
        },
      ),
    );
  });
});

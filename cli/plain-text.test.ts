import { describe, expect, it } from "vitest";
import { plainText } from "./plain-text.ts";

describe("text of others on a terminal", () => {
  it("keeps what can be read", () => {
    expect(plainText("Größe: 10 €\n\tok 日本 👍")).toBe("Größe: 10 €\n\tok 日本 👍");
  });

  it("spells out what would act or hide", () => {
    expect(plainText("\u001B]0;x\u0007 \u009B2K\r\u202Eb\u200Bc\u2028")).toBe(
      String.raw`\u{1b}]0;x\u{7} \u{9b}2K\u{d}\u{202e}b\u{200b}c\u{2028}`,
    );
  });
});

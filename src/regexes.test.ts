import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** Of what a pattern is shown. One that is slow by its square does not come back within the runner's patience. */
const LENGTH = 50_000;
/** What a pattern may be pumped with: whatever the patterns themselves speak of, alone and in turns. */
const PUMPS = [
  ..."aA0-_./:%@<>\"'[]{}(),;=+*#& \t\n",
  "a.",
  "a-",
  "a:",
  "%2",
  "a,",
  ", ",
  "/.",
  "0x",
  "é",
  "：",
  "a=",
  '="',
  "[a",
];

/** Every regular expression that stands in the sources, by its place. */
const found = globSync("{src,cli,sdk}/**/*.{ts,tsx}", {
  exclude: (name) => /\.test\.tsx?$/.test(String(name)),
}).flatMap((path) =>
  literalsIn(readFileSync(path, "utf8")).map((literal) => [`${path}: ${literal}`, literal] as const),
);

describe("every regular expression (B09)", () => {
  it("B09 is found where it stands", () => {
    expect(found.length).toBeGreaterThan(100);
  });

  it.each(found)("B09 is not slowed down by what it is made of: %s", (_, literal) => {
    const end = literal.lastIndexOf("/");
    const pattern = new RegExp(literal.slice(1, end), literal.slice(end + 1));
    for (const pump of PUMPS)
      for (const text of [pump.repeat(LENGTH / pump.length) + "\0", "a" + pump.repeat(LENGTH / pump.length) + "!"])
        expect(text.replace(pattern, "").length).toBeLessThanOrEqual(text.length);
  });
});

/** A slash that begins a regular expression follows something that an operand could not end. */
function literalsIn(source: string): string[] {
  const code = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, "");
  return [
    ...code.matchAll(
      /(?:[=(,:[!&|?{}]|return|=>)\s*(\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[dgimsuvy]*)(?=[.,;)\s:])/g,
    ),
  ].map(([, literal]) => literal!);
}

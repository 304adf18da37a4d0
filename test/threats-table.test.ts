import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const page = readFileSync(join(ROOT, "docs", "threats.md"), "utf8");

/** A row of the page: the cases that it names, and the files that each of them is tried in. */
const rows = page
  .split("## More of the same kind")[0]!
  .split("\n")
  .filter((line) => /^\| (?:[A-Z]\d{1,2}|F[A-Z])\b/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, cases = "", files = ""]) => ({ cases: casesIn(cases), files: pathsIn(files) }));

describe("docs/threats.md", () => {
  it("leads from cases to files", () => {
    expect(rows.length).toBeGreaterThan(100);
    expect(rows.filter(({ cases, files }) => cases.length === 0 || files.length === 0)).toEqual([]);
  });

  it("names no file that is not there", () => {
    for (const path of pathsIn(page)) expect(globSync(path, { cwd: ROOT }), path).not.toEqual([]);
  });

  it("names no case that the titles of its file do not", () => {
    const carried = new Map<string, string[]>();
    const missing = rows.flatMap(({ cases, files }) =>
      files.flatMap((file) => {
        const titles = carried.get(file) ?? titlesIn(readFileSync(join(ROOT, file), "utf8")).flatMap(casesIn);
        carried.set(file, titles);
        return cases.filter((id) => !titles.includes(id)).map((id) => `${id} in ${file}`);
      }),
    );
    expect(missing).toEqual([]);
  });

  it("reads titles and ranges as they are written", () => {
    expect(casesIn("T01 to T03, FG and U05: not HTTP/2 or %FFx")).toEqual(["T01", "T02", "T03", "FG", "U05"]);
    expect(titlesIn('it("A01 x", () => f("A02"));\ndescribe(\n  "A03 y",\nit.each([["A04 z", 1]])("%s", g)')).toEqual([
      "A01 x",
      "A03 y",
      "A04 z",
      "%s",
    ]);
  });
});

/** The ids of cases in a text, with those that a range (`T01 to T03`) means. */
function casesIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w%])(?:([A-Z])(\d{1,2})(?: to \1(\d{1,2}))?|(F[A-Z]))\b/g)].flatMap(
    ([, group = "", from = "", to = from, fault]) =>
      fault === undefined
        ? Array.from(
            { length: Number(to) - Number(from) + 1 },
            (_, at) => group + String(Number(from) + at).padStart(from.length, "0"),
          )
        : [fault],
  );
}

function pathsIn(text: string): string[] {
  return [...text.matchAll(/`([\w./*-]+\.test\.tsx?)`/g)].map(([, path]) => path!);
}

/** What a test, a group of tests, or a row of a table of tests is called. */
function titlesIn(source: string): string[] {
  return [...source.matchAll(/(?:\bit\(|\bdescribe\(|\)\(|\[)\s*"((?:[^"\\\n]|\\.)*)"/g)].map(([, title]) => title!);
}

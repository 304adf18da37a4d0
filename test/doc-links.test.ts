import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { stint } from "./support/run-stint.ts";
import { ROOT } from "../scripts/build.ts";

const PAGES = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "examples/README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

const textOf = (page: string): string => readFileSync(join(ROOT, page), "utf8");

/** The anchors that a forge gives to the headings of a page. */
function anchorsOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[^]*?^```/gm, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("the documents", () => {
  it("lead nowhere that is not there", () => {
    const dead = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!https?:)([^)\s]*)\)|(?:src|srcset)="(?!https?:)([^"]+)"/g)]
        .map(([, link, image]) => link ?? image ?? "")
        .filter((target) => {
          const [path = "", anchor] = target.split("#");
          const file = path === "" ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
          if (!existsSync(file)) return true;
          return anchor !== undefined && !anchorsOf(readFileSync(file, "utf8")).includes(anchor);
        })
        .map((target) => `${page}: ${target}`),
    );
    expect(dead).toEqual([]);
  });

  it("are each led to from another", () => {
    const linked = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)].map(([, path = ""]) =>
        resolve(ROOT, dirname(page), path),
      ),
    );
    const alone = PAGES.filter((page) => page !== "README.md" && !linked.includes(join(ROOT, page)));
    // The decisions are a row of pages in a folder of their own.
    expect(alone.filter((page) => !page.startsWith(join("docs", "decisions")))).toEqual([]);
  });
});

describe("the command line in the documents", () => {
  it("is the one that there is: every command, and every option that is named with it", async () => {
    const names = [...(await stint(["--help"])).stdout.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = ""]) => name);
    const helps = new Map(
      await Promise.all(names.map(async (name) => [name, (await stint([name, "--help"])).stdout] as const)),
    );
    const said = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/(?<![\w./-])stint ([a-z][a-z-]*)((?: [^`\n]*)?)/g)]
        .filter(({ index }) => isCode(textOf(page), index))
        .map(([, name = "", rest = ""]) => ({
          page,
          name,
          options: rest.split(" -- ")[0]?.match(/--[a-z][a-z-]*/g) ?? [],
        })),
    );
    const wrong = said.filter(
      ({ name, options }) =>
        !helps.has(name) || options.some((option) => option !== "--help" && !helps.get(name)?.includes(option)),
    );
    expect(wrong).toEqual([]);
    expect(names.filter((name) => !said.some((one) => one.name === name))).toEqual([]);
  });
});

/** Whether a place in a page stands in a code span or a block. */
function isCode(markdown: string, at: number): boolean {
  const before = markdown.slice(0, at);
  if ((before.match(/^```/gm)?.length ?? 0) % 2 === 1) return true;
  const paragraph = before.slice(before.lastIndexOf("\n\n") + 1).replaceAll(/^```.*$/gm, "");
  return (paragraph.match(/`/g)?.length ?? 0) % 2 === 1;
}

describe("the audit log in docs/operating.md", () => {
  it("has every event that there is", () => {
    const sources = readdirSync(join(ROOT, "src", "durable"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .map((name) => readFileSync(join(ROOT, "src", "durable", name), "utf8"));
    const types = sources.flatMap((source) =>
      [...source.matchAll(/(?:append|record|refuse)\(\s*"([a-z_]+\.[a-z_]+)"/g)].map(([, type = ""]) => type),
    );
    expect(types.length).toBeGreaterThan(30);
    const page = textOf(join("docs", "operating.md"));
    expect([...new Set(types)].filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
  });
});

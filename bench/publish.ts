import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "../scripts/build.ts";
import { costs } from "./cost.ts";
import { AT_ONCE } from "./exchange.ts";
import { drawGraph, type Graph, type Line } from "./graphs.ts";
import type { Results } from "./results.ts";
import {
  budgetTable,
  costTable,
  exchangeTable,
  growthTable,
  machineLine,
  operationTable,
  proxyTable,
  revocationTable,
  sizeTable,
} from "./tables.ts";

export const RESULTS_FILE = join(ROOT, "bench", "results.json");
const IMAGES = "docs/images";
/** Sessions a month for which the cost is drawn. */
const SESSIONS = [10_000, 100_000, 1_000_000, 10_000_000];

/** Draws the graphs and writes the tables of the README and of docs/performance.md anew, from results alone. */
export function publish(results: Results): void {
  for (const [path, text] of pagesOf(results)) writeFileSync(join(ROOT, path), text);
}

/** The files that show results, by their paths, as they shall be. */
export function pagesOf(results: Results): [path: string, text: string][] {
  const machine = machineLine(results);
  const budgets = budgetTable(results);
  return [
    [`${IMAGES}/bench-throughput.svg`, drawGraph(throughputGraph(results))],
    [`${IMAGES}/bench-latency.svg`, drawGraph(latencyGraph(results))],
    [`${IMAGES}/bench-cost.svg`, drawGraph(costGraph(results))],
    ["README.md", filled("README.md", { budgets: `${machine}\n\n${budgets}` })],
    [
      "docs/performance.md",
      filled("docs/performance.md", {
        machine,
        budgets,
        exchange: exchangeTable(results),
        proxy: proxyTable(results),
        revocation: revocationTable(results),
        growth: growthTable(results),
        sizes: sizeTable(results),
        operations: operationTable(results),
        cost: costTable(results),
      }),
    ],
  ];
}

/** A page with each text between its marks: `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`. */
function filled(path: string, texts: Readonly<Record<string, string>>): string {
  let page = readFileSync(join(ROOT, path), "utf8");
  for (const [name, words] of Object.entries(texts)) {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [page.indexOf(open), page.indexOf(close)];
    if (from === -1 || to < from) throw new Error(`${path} lacks ${open} … ${close}`);
    page = `${page.slice(0, from + open.length)}\n\n${words}\n\n${page.slice(to)}`;
  }
  return page;
}

function throughputGraph(results: Results): Graph {
  return {
    title: "Tokens issued in a second, by requests at once",
    xName: "requests at once",
    yName: "requests/s",
    lines: linesOf(results, "requests_per_second"),
    xMarks: AT_ONCE,
    logarithmic: "x",
  };
}

function latencyGraph(results: Results): Graph {
  return {
    title: "How long a token takes, 95 of 100, by requests at once",
    xName: "requests at once",
    yName: "p95 in ms",
    lines: linesOf(results, "p95_ms"),
    xMarks: AT_ONCE,
    logarithmic: "both",
  };
}

function linesOf({ exchange }: Results, figure: "requests_per_second" | "p95_ms"): Line[] {
  return [...new Set(exchange.map(({ who }) => who))].map((who) => ({
    name: who,
    points: exchange.filter((one) => one.who === who).map((one) => [one.at_once, one[figure]]),
  }));
}

function costGraph(results: Results): Graph {
  const all = costs(results);
  const line = (name: string, dollarsForAMillion: number): Line => ({
    name,
    points: SESSIONS.map((count) => [count, (count / 1e6) * dollarsForAMillion]),
  });
  const session = all.at(-1)!;
  const named = (what: string): number => all.find((cost) => cost.what === what)!.total;
  return {
    title: "What sessions cost on Cloudflare in a month, by how many there are",
    xName: "sessions a month",
    yName: "dollars, what is included left out",
    lines: [
      line("with exchanges and calls", session.total),
      line("opened and ended", named("sessions opened") + named("sessions ended")),
      line("kept for a month", session.storage),
    ],
    xMarks: SESSIONS,
    logarithmic: "both",
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  publish(JSON.parse(readFileSync(RESULTS_FILE, "utf8")) as Results);
}

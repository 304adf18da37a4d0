import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { judge, ratioTo } from "./budgets.ts";
import { costs } from "./cost.ts";
import { drawGraph } from "./graphs.ts";
import { pagesOf, RESULTS_FILE } from "./publish.ts";
import type { Results } from "./results.ts";
import { figuresOf, percentile } from "./summary.ts";

const results = JSON.parse(readFileSync(RESULTS_FILE, "utf8")) as Results;

test("what the README, docs/performance.md and the graphs show is what results.json says", () => {
  const pages = pagesOf(results);
  expect(pages).toHaveLength(5);
  for (const [path, text] of pages) expect(readFileSync(join(ROOT, path), "utf8"), path).toBe(text);
});

test("no request that was sent after a revocation's answer succeeded, and some were sent", () => {
  for (const { sent_after, succeeded_after } of results.revocation) {
    expect(sent_after).toBeGreaterThan(0);
    expect(succeeded_after).toBe(0);
  }
});

test("an exchange is one call of its session's object and one request", () => {
  const { calls, worker_requests } = results.operations.operations.find(({ operation }) => operation === "exchange")!;
  expect(calls["Session.exchange"]).toBe(1);
  expect(worker_requests).toBe(1);
});

test("a budget is met to the edge, and missed beyond it by as much as is said", () => {
  const ended = (bytes: number) =>
    judge({ ...results, operations: { ...results.operations, bytes_per_ended_session: bytes } }).find(
      ({ promise }) => promise === "an ended session on disk",
    )?.verdict;
  expect(ended(48 * 1024)).toBe("met");
  expect(ended(50 * 1024)).toBe("missed by 2 KiB");
});

test("throughput is judged by the worse of 8 and 32 at once", () => {
  const rates = { "stint, one session": [100, 900, 400], floor: [100, 500, 1000] } as const;
  const exchange = results.exchange.map((one) => {
    const rate = one.who in rates ? rates[one.who as keyof typeof rates][[1, 8, 32].indexOf(one.at_once)]! : 1;
    return { ...one, requests_per_second: rate };
  });
  const judged = { ...results, exchange };
  expect(ratioTo(judged, "floor", 8)).toBe(1.8);
  expect(judge(judged).find(({ promise }) => promise.endsWith("against floor"))?.verdict).toBe("missed by 0.4");
});

test("a session costs its opening, its use, its end and its keeping", () => {
  const all = costs(results);
  const total = (what: string): number => all.find((cost) => cost.what === what)!.total;
  const session = all.at(-1)!;
  const parts = total("sessions opened") + 5 * total("exchanges") + 20 * total("proxy calls") + total("sessions ended");
  expect(session.total - session.storage).toBeCloseTo(parts, 6);
  expect(session.storage).toBeGreaterThan(0);
});

test("percentiles are values that were measured", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([0.5, 0.95, 0.99, 1].map((part) => percentile(values, part))).toEqual([50, 95, 99, 100]);
  expect(percentile([7], 0.5)).toBe(7);
  expect(figuresOf([{ requests: 2, seconds: 1, times_ms: [1, 3] }]).requests_per_second).toBe(2);
});

test("a graph keeps names that mean something in SVG", () => {
  const svg = drawGraph({
    title: 'a < "b"',
    xName: "x",
    yName: "y",
    lines: [{ name: "p & q", points: [[1, 2] as const, [8, 4] as const] }],
    xMarks: [1, 8],
    logarithmic: "x",
  });
  expect(svg).toContain("a &lt; &quot;b&quot;");
  expect(svg).toContain("p &amp; q: 4");
  expect(svg).not.toContain("NaN");
});

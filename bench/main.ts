import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { buildWorker, ROOT } from "../scripts/build.ts";
import { measureExchange } from "./exchange.ts";
import { measureGrowth } from "./growth.ts";
import { countOperations } from "./operations.ts";
import { measureProxy } from "./proxy.ts";
import { publish, RESULTS_FILE } from "./publish.ts";
import type { Results } from "./results.ts";
import { measureRevocation } from "./revocation.ts";
import { measureStart } from "./start.ts";
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
import { startWorld } from "./world.ts";

const HELP = `Usage: npm run bench [-- --quick]

Measures Stint on plain workerd with its data on disk, beside oidc-provider, Cloudflare's OAuth provider and
the least that any such broker must do. Takes about ten minutes on two processors, and wants the machine
for itself; everything runs on it, the clients included. Only loopback is ever addressed.

Prints tables, writes bench/results.json, and draws from it the graphs in docs/images and the tables in
README.md and docs/performance.md.

  --quick  fewer requests and sessions, in about a minute: to see that it works, not to quote
`;

/** How much of everything. */
interface Plan {
  readonly exchanges: number;
  readonly proxyCalls: number;
  readonly rounds: number;
  readonly revocations: number;
  readonly sleepers: number;
  readonly levels: readonly number[];
  readonly growthExchanges: number;
  /** How long what opened sessions left to do may take before anything is measured, in milliseconds. */
  readonly settleMs: number;
}

const FULL: Plan = {
  exchanges: 3000,
  proxyCalls: 2000,
  rounds: 4,
  revocations: 100,
  sleepers: 21,
  levels: [10, 1000, 10_000],
  growthExchanges: 3000,
  // Plain workerd closes the files of objects that nobody calls when it looks for the second time, every ten seconds.
  settleMs: 25_000,
};
const QUICK: Plan = {
  exchanges: 240,
  proxyCalls: 200,
  rounds: 2,
  revocations: 10,
  sleepers: 6,
  levels: [10, 500],
  growthExchanges: 300,
  settleMs: 5000,
};
const BUSY_SESSIONS = 64;

const { values } = parseArgs({ options: { quick: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help === true) process.stdout.write(HELP);
else await bench(values.quick === true ? "quick" : "full");

async function bench(mode: Results["mode"]): Promise<void> {
  const plan = mode === "quick" ? QUICK : FULL;
  const begin = performance.now();
  const machine = describeMachine();
  const bundle = buildWorker();
  // Counting mostly waits. A quick run is not to be quoted, and need not wait for it.
  const counting = countOperations();
  if (mode === "full") await counting;
  const [operations, measured] = await Promise.all([counting, measureBroker(plan, bundle)]);
  const results: Results = {
    date: new Date().toISOString(),
    mode,
    seconds: Math.round((performance.now() - begin) / 1000),
    machine,
    versions: describeVersions(),
    ...measured,
    operations,
  };
  writeFileSync(RESULTS_FILE, `${JSON.stringify(results, undefined, 2)}\n`);
  publish(results);
  const tables = [exchangeTable, proxyTable, revocationTable, growthTable, operationTable, sizeTable, costTable];
  for (const table of [...tables, budgetTable]) process.stdout.write(`\n${table(results)}\n`);
  process.stdout.write(`\n${machineLine(results)}\n`);
}

async function measureBroker(
  plan: Plan,
  bundle: string,
): Promise<Omit<Results, "date" | "mode" | "seconds" | "machine" | "versions" | "operations">> {
  const world = await startWorld(bundle);
  try {
    // The lowest level first, while there is nothing else.
    const live = await world.open(0);
    say("exchanging with few sessions, then with many");
    const growth = await measureGrowth(world, live, plan.levels.slice(0, 1), plan);
    const sleepers = await world.open(plan.sleepers);
    const busy = await world.open(BUSY_SESSIONS);
    const doomed = await world.open(plan.revocations);
    live.push(...busy, ...sleepers, ...doomed);
    // What opening them left to do is no part of an exchange.
    await sleep(plan.settleMs);
    say("issuing tokens, beside the peers");
    const exchange = await measureExchange(world, busy, plan.exchanges, plan.rounds);
    say("calling through the proxy");
    const proxy = await measureProxy(world, busy[0]!, plan.proxyCalls, plan.rounds);
    say("opening sessions");
    growth.push(...(await measureGrowth(world, live, plan.levels.slice(1), plan)));
    say("revoking");
    const revocation = await measureRevocation(world, doomed);
    say("waking objects, starting anew");
    const start = await measureStart(world, bundle, sleepers);
    return { exchange, proxy, revocation, growth, start };
  } finally {
    await world.stop();
  }
}

function describeMachine(): Results["machine"] {
  return {
    processors: cpus().length,
    model: cpus()[0]?.model ?? "unknown",
    memory_gib: Math.round(totalmem() / 1024 ** 3),
    platform: `${platform()} ${release()}`,
    load_before: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function describeVersions(): Record<string, string> {
  const versionOf = (name: string): string =>
    (JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")) as { version: string }).version;
  const names = ["workerd", "oidc-provider", "@cloudflare/workers-oauth-provider", "miniflare"];
  return {
    stint: execFileSync("git", ["describe", "--always", "--dirty"], { cwd: ROOT, encoding: "utf8" }).trim(),
    node: process.version,
    ...Object.fromEntries(names.map((name) => [name, versionOf(name)])),
  };
}

function say(what: string): void {
  process.stderr.write(`${what}…\n`);
}

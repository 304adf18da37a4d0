import type { Issuer } from "./exchange.ts";
import { SMALL_BYTES, type Way } from "./proxy.ts";
import type { Results } from "./results.ts";
import { round } from "./summary.ts";

const KIB = 1024;

/** What was promised, and what came of it. */
export interface Verdict {
  readonly promise: string;
  readonly budget: string;
  readonly measured: string;
  /** `met`, or by how much it was missed. */
  readonly verdict: string;
}

/** Every budget beside what was measured. */
export function judge(results: Results): Verdict[] {
  const { start, operations } = results;
  const exchange = operations.operations.find(({ operation }) => operation === "exchange")!;
  const hops = Object.entries(exchange.calls)
    .filter(([name]) => name.startsWith("Session.") && name !== "Session.alarm")
    .reduce((so, [, times]) => so + times, 0);
  const first = results.growth[0]!;
  const last = results.growth.at(-1)!;
  const revocation = Math.max(...results.revocation.map(({ p99_ms }) => p99_ms));
  const succeeded = results.revocation.reduce((so, { succeeded_after }) => so + succeeded_after, 0);
  return [
    atMost("exchange: calls of the session's object", hops, 1, ""),
    throughput(results, "oidc-provider, memory", 1),
    throughput(results, "oidc-provider, sqlite", 2),
    throughput(results, "floor", 0.8),
    atMost("proxy: median added to a bare worker, 1 KB", addedMs(results, SMALL_BYTES), 1.5, " ms"),
    atMost(
      `proxy: memory added by ${results.proxy.memory.in_flight_mib} MiB of answers on their way`,
      results.proxy.memory.peak_mib - results.proxy.memory.before_mib,
      results.proxy.memory.in_flight_mib,
      " MiB",
    ),
    atMost("revocation to refusal, p99 of the slowest surface", revocation, 10, " ms"),
    atMost("requests sent after a revocation's answer that succeeded", succeeded, 0, ""),
    atMost(
      `exchange with ${last.live_sessions} live sessions against ${first.live_sessions}, median`,
      round(last.p50_ms / first.p50_ms),
      1.3,
      " times",
    ),
    atMost("an ended session on disk", round(operations.bytes_per_ended_session / KIB), 48, " KiB"),
    atMost("bundle, gzipped", Math.round(start.bundle_gzip_bytes / KIB), 1024, " KiB"),
    ...(start.start_up_cpu_ms === null ? [] : [atMost("start-up CPU", start.start_up_cpu_ms, 100, " ms")]),
  ];
}

/** What the broker adds to the median of a bare pass-through, with answers of this size, one at a time. */
function addedMs({ proxy }: Results, bytes: number): number {
  const median = (way: Way): number =>
    proxy.calls.find((one) => one.way === way && one.bytes === bytes && one.at_once === 1)!.p50_ms;
  return round(median("stint") - median("bare"));
}

/** The broker's throughput as a part of somebody else's, with so many requests at once. */
export function ratioTo({ exchange }: Results, who: Issuer, atOnce: number): number {
  const rate = (of: Issuer): number =>
    exchange.find((one) => one.who === of && one.at_once === atOnce)!.requests_per_second;
  return round(rate("stint, one session") / rate(who));
}

/** Throughput is judged where there is a queue; alone it is latency. The worse of the two counts. */
function throughput(results: Results, who: Issuer, budget: number): Verdict {
  const [at8, at32] = [ratioTo(results, who, 8), ratioTo(results, who, 32)];
  const worse = Math.min(at8, at32);
  return {
    promise: `exchange throughput against ${who}`,
    budget: `at least ${budget} times`,
    measured: `${at8} (8 at once), ${at32} (32 at once)`,
    verdict: worse >= budget ? "met" : `missed by ${round(budget - worse)}`,
  };
}

function atMost(promise: string, measured: number, budget: number, unit: string): Verdict {
  return {
    promise,
    budget: `at most ${budget}${unit}`,
    measured: `${measured}${unit}`,
    verdict: measured <= budget ? "met" : `missed by ${round(measured - budget)}${unit}`,
  };
}

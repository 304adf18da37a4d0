import { CALLS_PER_SESSION, EXCHANGES_PER_SESSION, type OperationCounts } from "./operations.ts";
import type { Results } from "./results.ts";

/**
 * Cloudflare's published prices of the paid plan, in dollars, what is included left out:
 * https://developers.cloudflare.com/workers/platform/pricing/ and
 * https://developers.cloudflare.com/durable-objects/platform/pricing/
 */
const PRICES = {
  million_worker_requests: 0.3,
  million_cpu_milliseconds: 0.02,
  million_object_requests: 0.15,
  million_rows_written: 1,
  million_rows_read: 0.001,
  million_gigabyte_seconds: 12.5,
  gigabyte_month: 0.2,
} as const;

/** What an object is billed as while it works. */
const OBJECT_GIGABYTES = 0.128;
const BYTES_PER_GIGABYTE = 1e9;

/** Dollars for a million of something, by what they are paid for. */
export interface Cost {
  readonly what: string;
  readonly requests: number;
  readonly object_requests: number;
  readonly rows: number;
  /** Processor of the worker and waiting of the object, both taken to be as long as the answer took here: an upper bound. */
  readonly time: number;
  readonly storage: number;
  readonly total: number;
}

/** What a million of each operation costs, and a million sessions that each do one task. */
export function costs(results: Results): Cost[] {
  const { operations } = results.operations;
  const named = (name: OperationCounts["operation"]): OperationCounts =>
    operations.find(({ operation }) => operation === name)!;
  const alone = (who: "exchange" | "proxy"): number =>
    who === "exchange"
      ? results.exchange.find((one) => one.who === "stint, one session" && one.at_once === 1)!.p50_ms
      : results.proxy.calls.find((one) => one.way === "stint" && one.at_once === 1)!.p50_ms;
  const opened = ofMillion("sessions opened", named("session opened"), results.growth.at(-1)!.open_ms);
  const exchange = ofMillion("exchanges", named("exchange"), alone("exchange"));
  const call = ofMillion("proxy calls", named("proxy call"), alone("proxy"));
  const introspection = ofMillion("introspections", named("introspection"), alone("exchange"));
  const ended = ofMillion("sessions ended", named("session ended"), alone("exchange"));
  const { bytes_per_ended_session, shared_bytes_per_session } = results.operations;
  const gigabytes = ((bytes_per_ended_session + shared_bytes_per_session) * 1e6) / BYTES_PER_GIGABYTE;
  const parts: readonly (readonly [Cost, number])[] = [
    [opened, 1],
    [exchange, EXCHANGES_PER_SESSION],
    [call, CALLS_PER_SESSION],
    [ended, 1],
  ];
  const sum = (of: (cost: Cost) => number): number => parts.reduce((so, [cost, times]) => so + of(cost) * times, 0);
  const session = total({
    what: `sessions, each with ${EXCHANGES_PER_SESSION} exchanges and ${CALLS_PER_SESSION} calls, kept a month`,
    requests: sum((cost) => cost.requests),
    object_requests: sum((cost) => cost.object_requests),
    rows: sum((cost) => cost.rows),
    time: sum((cost) => cost.time),
    storage: gigabytes * PRICES.gigabyte_month,
  });
  return [exchange, call, introspection, opened, ended, session];
}

function ofMillion(what: string, counts: OperationCounts, milliseconds: number): Cost {
  const gigabyteSeconds = (milliseconds / 1000) * OBJECT_GIGABYTES;
  return total({
    what,
    requests: counts.worker_requests * PRICES.million_worker_requests,
    object_requests: (counts.object_calls + counts.alarms_run) * PRICES.million_object_requests,
    // Setting an alarm is billed as a row.
    rows:
      (counts.rows_written + counts.alarms_set) * PRICES.million_rows_written +
      counts.rows_read * PRICES.million_rows_read,
    time: milliseconds * PRICES.million_cpu_milliseconds + gigabyteSeconds * PRICES.million_gigabyte_seconds,
    storage: 0,
  });
}

function total(parts: Omit<Cost, "total">): Cost {
  return { ...parts, total: parts.requests + parts.object_requests + parts.rows + parts.time + parts.storage };
}

import { judge } from "./budgets.ts";
import { costs } from "./cost.ts";
import type { Results } from "./results.ts";

/** A table as Markdown has it; the first column is text, the others are numbers or short. */
function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}

export function machineLine({ date, mode, machine, versions }: Results): string {
  const { processors, model, memory_gib, platform } = machine;
  const parts = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${date.slice(0, 10)}, ${mode === "quick" ? "a quick run, " : ""}${processors} processors (${model}), ${memory_gib} GiB, ${platform}; ${parts.join(", ")}. Load before the run: ${machine.load_before}.`;
}

export function budgetTable(results: Results): string {
  const rows = judge(results).map(({ promise, budget, measured, verdict }) => [promise, budget, measured, verdict]);
  return markdownTable(["promise", "budget", "measured", ""], rows);
}

export function exchangeTable({ exchange }: Results): string {
  return markdownTable(
    ["token issue", "at once", "requests/s", "p50 ms", "p95 ms", "p99 ms"],
    exchange.map((one) => [one.who, one.at_once, one.requests_per_second, one.p50_ms, one.p95_ms, one.p99_ms]),
  );
}

export function proxyTable({ proxy }: Results): string {
  const names = { direct: "straight from the upstream", bare: "a bare worker", stint: "stint" };
  const rows = proxy.calls.map((one) => [
    names[one.way],
    one.bytes < 1_000_000 ? `${one.bytes / 1000} KB` : `${one.bytes / 1_000_000} MB`,
    one.at_once,
    one.requests_per_second,
    one.p50_ms,
    one.p95_ms,
    one.p99_ms,
  ]);
  return markdownTable(["calls", "answer", "at once", "requests/s", "p50 ms", "p95 ms", "p99 ms"], rows);
}

export function revocationTable({ revocation }: Results): string {
  return markdownTable(
    ["surface", "revocations", "p50 ms", "p99 ms", "longest ms", "sent after it", "of these succeeded"],
    revocation.map((one) => [
      one.surface,
      one.revocations,
      one.p50_ms,
      one.p99_ms,
      one.max_ms,
      one.sent_after,
      one.succeeded_after,
    ]),
  );
}

export function growthTable({ growth }: Results): string {
  return markdownTable(
    ["live sessions", "exchanges/s", "p50 ms", "p95 ms", "p99 ms"],
    growth.map((one) => [one.live_sessions, one.requests_per_second, one.p50_ms, one.p95_ms, one.p99_ms]),
  );
}

export function operationTable({ operations }: Results): string {
  return markdownTable(
    ["operation", "requests", "object calls", "alarms run", "alarms set", "rows written", "rows read"],
    operations.operations.map((one) => [
      one.operation,
      one.worker_requests,
      one.object_calls,
      one.alarms_run,
      one.alarms_set,
      one.rows_written,
      one.rows_read,
    ]),
  );
}

export function sizeTable({ operations, start, proxy }: Results): string {
  const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;
  return markdownTable(
    ["what", ""],
    [
      ["a live session's object on disk", kib(operations.bytes_per_live_session)],
      ["an ended one's", kib(operations.bytes_per_ended_session)],
      ["what the tenant's other objects keep of each", kib(operations.shared_bytes_per_session)],
      ["bundle / gzipped", `${kib(start.bundle_bytes)} / ${kib(start.bundle_gzip_bytes)}`],
      ["processor for a start", start.start_up_cpu_ms === null ? "not known here" : `${start.start_up_cpu_ms} ms`],
      ["first exchange of an evicted session", `${start.after_eviction_p50_ms} ms (the next: ${start.warm_p50_ms} ms)`],
      ["first exchange of a restarted broker", `${start.after_restart_ms} ms`],
      [
        `memory while ${proxy.memory.in_flight_mib} MiB of answers pass`,
        `${proxy.memory.before_mib} MiB before, ${proxy.memory.peak_mib} MiB at the most`,
      ],
    ],
  );
}

export function costTable(results: Results): string {
  const dollars = (amount: number): string => amount.toFixed(2);
  return markdownTable(
    ["a million …", "requests $", "objects $", "rows $", "time $ (at most)", "storage $", "total $"],
    costs(results).map((cost) => [
      cost.what,
      dollars(cost.requests),
      dollars(cost.object_requests),
      dollars(cost.rows),
      dollars(cost.time),
      dollars(cost.storage),
      dollars(cost.total),
    ]),
  );
}

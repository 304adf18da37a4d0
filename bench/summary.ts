/** What a batch of requests took. */
export interface Summary {
  readonly requests: number;
  readonly seconds: number;
  readonly times_ms: readonly number[];
}

/** What is written down of it. */
export interface Figures {
  readonly requests: number;
  readonly requests_per_second: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
}

export function summarise(timesMs: readonly number[], seconds: number): Summary {
  return { requests: timesMs.length, seconds, times_ms: timesMs };
}

/** The figures of batches taken together. */
export function figuresOf(batches: readonly Summary[]): Figures {
  const times = batches.flatMap(({ times_ms }) => times_ms);
  const seconds = batches.reduce((so, batch) => so + batch.seconds, 0);
  return {
    requests: times.length,
    requests_per_second: Math.round(times.length / seconds),
    p50_ms: percentile(times, 0.5),
    p95_ms: percentile(times, 0.95),
    p99_ms: percentile(times, 0.99),
  };
}

/** @param part of the values, between 0 and 1, that are no greater than the answer */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return round(sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN);
}

/** To hundredths: finer is noise. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

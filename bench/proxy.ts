import { drive, type Prepared } from "./load.ts";
import { residentMib } from "./process.ts";
import { startPassThrough } from "./pass-through.ts";
import { proxyCalls, proxyToken } from "./requests.ts";
import { figuresOf, type Figures, type Summary } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

export const SMALL_BYTES = 1000;
const LARGE_BYTES = 10_000_000;
/** Large answers that pass at once while memory is watched, and how often it is looked at, in milliseconds. */
const STREAMS = 8;
const LOOK_MS = 20;

export type Way = "direct" | "bare" | "stint";

export interface ProxyFigures extends Figures {
  readonly way: Way;
  readonly bytes: number;
  readonly at_once: number;
}

export interface ProxyMemory {
  readonly before_mib: number;
  readonly peak_mib: number;
  /** Bytes of answers that were on their way at once. */
  readonly in_flight_mib: number;
}

export interface ProxyMeasurement {
  readonly calls: readonly ProxyFigures[];
  readonly memory: ProxyMemory;
}

/**
 * The same answers straight from the upstream, through a worker that only passes them on, and through
 * the broker, in alternation.
 *
 * @param requests of each way with small answers, at each concurrency; large ones are a fiftieth
 */
export async function measureProxy(
  world: World,
  session: LiveSession,
  requests: number,
  rounds: number,
): Promise<ProxyMeasurement> {
  const bare = await startPassThrough(world.upstreamUrl);
  const token = await proxyToken(world, session);
  const plain = (port: number) => async (count: number, bytes: number) =>
    Array.from({ length: count }, (): Prepared => ({
      port,
      method: "GET",
      path: `/things?bytes=${bytes}`,
      headers: {},
    }));
  const ways: readonly (readonly [Way, (count: number, bytes: number) => Promise<Prepared[]>])[] = [
    ["direct", plain(Number(new URL(world.upstreamUrl).port))],
    ["bare", plain(bare.port)],
    ["stint", (count, bytes) => proxyCalls(world, session, token, count, bytes)],
  ];
  const series = [
    { bytes: SMALL_BYTES, at_once: 1, count: requests },
    { bytes: SMALL_BYTES, at_once: 8, count: requests },
    { bytes: LARGE_BYTES, at_once: 1, count: Math.ceil(requests / 50) },
  ];
  try {
    for (const [, make] of ways) await drive(await make(50, SMALL_BYTES), 8);
    const calls: ProxyFigures[] = [];
    for (const { bytes, at_once, count } of series) {
      const batches = new Map<Way, Summary[]>(ways.map(([way]) => [way, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const [way, make] of ways)
          batches.get(way)?.push(await drive(await make(Math.ceil(count / rounds), bytes), at_once));
      }
      for (const [way, of] of batches) calls.push({ way, bytes, at_once, ...figuresOf(of) });
    }
    const streams = await proxyCalls(world, session, token, STREAMS * 3, LARGE_BYTES);
    return { calls, memory: await watchMemory(world.pid(), () => drive(streams, STREAMS)) };
  } finally {
    await bare.stop();
  }
}

async function watchMemory(pid: number, work: () => Promise<unknown>): Promise<ProxyMemory> {
  const before_mib = residentMib(pid);
  let peak_mib = before_mib;
  const timer = setInterval(() => (peak_mib = Math.max(peak_mib, residentMib(pid))), LOOK_MS);
  await work().finally(() => clearInterval(timer));
  return { before_mib, peak_mib, in_flight_mib: Math.round((STREAMS * LARGE_BYTES) / 1024 ** 2) };
}

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { drive } from "./load.ts";
import { processorMs } from "./process.ts";
import { startPassThrough } from "./pass-through.ts";
import { exchanges } from "./requests.ts";
import { percentile } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

const STARTS = 5;

export interface StartFigures {
  readonly bundle_bytes: number;
  readonly bundle_gzip_bytes: number;
  /** What the broker's start takes of a processor beyond that of a worker that does nothing; null where nobody counts it. */
  readonly start_up_cpu_ms: number | null;
  /** An exchange whose session's object has to be read from the disk, beside the next one of the same session. */
  readonly after_eviction_p50_ms: number;
  readonly warm_p50_ms: number;
  /** The first exchange after the whole broker was started anew. */
  readonly after_restart_ms: number;
}

/**
 * @param idle sessions that nobody has used for twenty seconds at the least: every ten, plain workerd lets go of
 *   the objects that nobody has called since it last looked
 */
export async function measureStart(world: World, bundle: string, idle: readonly LiveSession[]): Promise<StartFigures> {
  const code = readFileSync(bundle);
  const first: number[] = [];
  const second: number[] = [];
  const [asking, ...sleeping] = idle;
  for (const session of sleeping) {
    // The nonce comes from elsewhere: to fetch it from this session would wake it.
    const [cold, warm] = await exchanges(world, [session], 2, asking!);
    first.push(...(await drive([cold!], 1)).times_ms);
    second.push(...(await drive([warm!], 1)).times_ms);
  }
  const own: number[] = [];
  const bare: number[] = [];
  let after_restart_ms = Number.NaN;
  for (let at = 0; at < STARTS; at += 1) {
    const [one] = await exchanges(world, [asking!], 1);
    await world.restart();
    own.push(processorMs(world.pid()) ?? Number.NaN);
    if (at === 0) after_restart_ms = percentile((await drive([one!], 1)).times_ms, 1);
    const other = await startPassThrough(world.upstreamUrl);
    bare.push(processorMs(other.pid) ?? Number.NaN);
    await other.stop();
  }
  const start_up_cpu_ms = Math.round(percentile(own, 0.5) - percentile(bare, 0.5));
  return {
    bundle_bytes: code.byteLength,
    bundle_gzip_bytes: gzipSync(code).byteLength,
    start_up_cpu_ms: Number.isNaN(start_up_cpu_ms) ? null : start_up_cpu_ms,
    after_eviction_p50_ms: percentile(first, 0.5),
    warm_p50_ms: percentile(second, 0.5),
    after_restart_ms,
  };
}

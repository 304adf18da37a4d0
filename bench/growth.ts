import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { drive } from "./load.ts";
import { exchanges } from "./requests.ts";
import { figuresOf, type Figures, type Summary } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

/** Sessions that exchange while the others lie there: the same number at every level. */
const BUSY = 10;
const AT_ONCE = 8;
/** How long ended sessions may take to hand in their books and shrink, in milliseconds. */
const SETTLE_DEADLINE_MS = 60_000;
const LOOK_MS = 500;

export interface GrowthFigures extends Figures {
  readonly live_sessions: number;
}

export interface GrowthMeasurement {
  readonly levels: readonly GrowthFigures[];
  /** On disk, write-ahead logs included, after a restart of the broker: what lasts. */
  readonly bytes_per_live_session: number;
  /** The same with what all sessions together add to the objects of the tenant. */
  readonly bytes_per_live_session_everywhere: number;
  readonly bytes_per_ended_session: number;
}

/**
 * What an exchange costs as sessions pile up, and what a session leaves on the disk.
 *
 * @param levels how many live sessions there are when it is measured, rising
 */
export async function measureGrowth(
  world: World,
  levels: readonly number[],
  requests: number,
  rounds: number,
): Promise<GrowthMeasurement> {
  const before = diskUse(world);
  const live: LiveSession[] = [];
  const figures: GrowthFigures[] = [];
  for (const level of levels) {
    live.push(...(await world.open(level - live.length)));
    const busy = live.slice(0, BUSY);
    await drive(await exchanges(world, busy, Math.ceil(requests / rounds)), AT_ONCE);
    const batches: Summary[] = [];
    for (let round = 0; round < rounds; round += 1)
      batches.push(await drive(await exchanges(world, busy, Math.ceil(requests / rounds)), AT_ONCE));
    figures.push({ live_sessions: level, ...figuresOf(batches) });
  }
  await world.restart();
  const after = diskUse(world);
  const ended = live.slice(BUSY, BUSY + Math.min(100, live.length - BUSY));
  for (const { id } of ended) await world.admin("POST", `/admin/sessions/${id}/revoke`, {});
  await settled(world, ended);
  return {
    levels: figures,
    bytes_per_live_session: Math.round((after.sessions - before.sessions) / live.length),
    bytes_per_live_session_everywhere: Math.round((after.all - before.all) / live.length),
    bytes_per_ended_session: Math.round((diskUse(world).sessions - (after.sessions - ended.length * 0)) / ended.length),
  };
}

function diskUse({ dataPath }: World): { sessions: number; all: number } {
  return { sessions: 0, all: 0 };
}

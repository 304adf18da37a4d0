import { setTimeout as sleep } from "node:timers/promises";
import { drive } from "./load.ts";
import { exchanges } from "./requests.ts";
import { figuresOf, type Figures, type Summary } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

/** Sessions that exchange while the others lie there: the same ones at every level. */
const BUSY = 10;
const AT_ONCE = 8;

export interface GrowthFigures extends Figures {
  readonly live_sessions: number;
  /** What opening and approving one took, the machine's other work included. */
  readonly open_ms: number;
}

export interface GrowthPlan {
  /** Exchanges at each level, and the rounds into which they are divided. */
  readonly growthExchanges: number;
  readonly rounds: number;
  /** How long it waits after the last session was opened, in milliseconds. */
  readonly settleMs: number;
}

/**
 * What an exchange costs as sessions pile up.
 *
 * @param levels how many live sessions there are when it is measured, rising
 * @param sessions those that are open already; what is opened is added to them
 */
export async function measureGrowth(
  world: World,
  sessions: LiveSession[],
  levels: readonly number[],
  { growthExchanges, rounds, settleMs }: GrowthPlan,
): Promise<GrowthFigures[]> {
  const figures: GrowthFigures[] = [];
  for (const level of levels) {
    const missing = level - sessions.length;
    const begin = performance.now();
    sessions.push(...(await world.open(missing)));
    const open_ms = Math.round(((performance.now() - begin) / missing) * 10) / 10;
    await sleep(settleMs);
    const batch = (): ReturnType<typeof exchanges> =>
      exchanges(world, sessions.slice(0, BUSY), Math.ceil(growthExchanges / rounds));
    await drive(await batch(), AT_ONCE);
    const batches: Summary[] = [];
    for (let round = 0; round < rounds; round += 1) batches.push(await drive(await batch(), AT_ONCE));
    figures.push({ live_sessions: level, open_ms, ...figuresOf(batches) });
  }
  return figures;
}

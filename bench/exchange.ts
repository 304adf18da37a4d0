import { startFloor, startOidcProvider, startWorkersOAuthProvider, type Contestant } from "./contestants.ts";
import { drive, type Prepared } from "./load.ts";
import { exchanges } from "./requests.ts";
import { figuresOf, type Figures, type Summary } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

export const AT_ONCE = [1, 8, 32] as const;

export type Issuer =
  | "stint, one session"
  | "stint, 64 sessions"
  | "floor"
  | "oidc-provider, memory"
  | "oidc-provider, sqlite"
  | "workers-oauth-provider";

export interface ExchangeFigures extends Figures {
  readonly who: Issuer;
  readonly at_once: number;
}

/**
 * Token issue, the broker's and everybody else's, in alternation: what the machine does meanwhile falls
 * on all of them alike.
 *
 * @param requests of each, at each concurrency
 * @param rounds into which they are divided
 */
export async function measureExchange(
  world: World,
  sessions: readonly LiveSession[],
  requests: number,
  rounds: number,
): Promise<ExchangeFigures[]> {
  const floor = await startFloor();
  const memory = await startOidcProvider("memory");
  const sqlite = await startOidcProvider("sqlite");
  const workers = await startWorkersOAuthProvider();
  const peers: readonly Contestant[] = [floor, memory, sqlite, workers];
  const makers: readonly (readonly [Issuer, (count: number) => Promise<Prepared[]>])[] = [
    ["stint, one session", (count) => exchanges(world, sessions.slice(0, 1), count)],
    ["stint, 64 sessions", (count) => exchanges(world, sessions, count)],
    ["floor", floor.prepare],
    ["oidc-provider, memory", memory.prepare],
    ["oidc-provider, sqlite", sqlite.prepare],
    ["workers-oauth-provider", workers.prepare],
  ];
  const batch = Math.ceil(requests / rounds);
  const batches = new Map<string, Summary[]>();
  try {
    // The first requests compile code and open objects.
    for (const [, make] of makers) await drive(await make(batch), Math.max(...AT_ONCE));
    for (const atOnce of AT_ONCE) {
      for (let round = 0; round < rounds; round += 1) {
        for (const [who, make] of makers) {
          const key = `${who} ${atOnce}`;
          batches.set(key, [...(batches.get(key) ?? []), await drive(await make(batch), atOnce)]);
        }
      }
    }
  } finally {
    for (const peer of peers) await peer.stop();
  }
  return AT_ONCE.flatMap((at_once) =>
    makers.map(([who]) => ({ who, at_once, ...figuresOf(batches.get(`${who} ${at_once}`) ?? []) })),
  );
}

import { Agent } from "node:http";
import { send, type Prepared } from "./load.ts";
import { exchanges, introspections, proxyCalls, proxyToken } from "./requests.ts";
import { SMALL_BYTES } from "./proxy.ts";
import { percentile, round } from "./summary.ts";
import type { LiveSession, World } from "./world.ts";

/** Clients that hammer each surface. */
const CLIENTS = 2;
/** Requests prepared for each surface of one session: more than can be sent before and after the revocation. */
const PREPARED = 160;
/** How long the clients are at it before the revocation is sent, and after it was answered, in milliseconds. */
const BEFORE_MS = 40;
const AFTER_MS = 40;

export type Surface = "exchange" | "proxy" | "introspection";

export interface RevocationFigures {
  readonly surface: Surface;
  readonly revocations: number;
  /** From the answer of the revocation to the first refusal; 0 where the refusal was there before it. */
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  /** Requests sent after the answer, and how many of them succeeded. */
  readonly sent_after: number;
  readonly succeeded_after: number;
}

interface Seen {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly succeeded: boolean;
}

/** Takes away each of the sessions while clients use it, and looks at what they see. */
export async function measureRevocation(world: World, sessions: readonly LiveSession[]): Promise<RevocationFigures[]> {
  const delays = new Map<Surface, number[]>();
  const after = new Map<Surface, Seen[]>();
  for (const session of sessions) {
    const token = await proxyToken(world, session);
    const requests: readonly (readonly [Surface, Prepared[]])[] = [
      ["exchange", await exchanges(world, [session], PREPARED)],
      ["proxy", await proxyCalls(world, session, token, PREPARED, SMALL_BYTES)],
      ["introspection", await introspections(world, session, PREPARED)],
    ];
    let stopped = false;
    const hammering = requests.map(async ([surface, prepared]) => ({
      surface,
      seen: await hammer(surface, prepared, () => stopped),
    }));
    await pause(BEFORE_MS);
    const answer = await world.admin("POST", `/admin/sessions/${session.id}/revoke`, {});
    const revokedAt = performance.now();
    if (!answer.ok) throw new Error(`the revocation answered ${answer.status}`);
    await pause(AFTER_MS);
    stopped = true;
    for (const { surface, seen } of await Promise.all(hammering)) {
      const first = seen.filter(({ succeeded }) => !succeeded).map(({ answeredAt }) => answeredAt);
      if (first.length === 0) throw new Error(`${surface} was never refused`);
      push(delays, surface, Math.max(0, Math.min(...first) - revokedAt));
      for (const one of seen.filter(({ sentAt }) => sentAt >= revokedAt)) push(after, surface, one);
    }
  }
  return [...delays].map(([surface, delaysMs]) => ({
    surface,
    revocations: delaysMs.length,
    p50_ms: percentile(delaysMs, 0.5),
    p99_ms: percentile(delaysMs, 0.99),
    max_ms: round(Math.max(...delaysMs)),
    sent_after: after.get(surface)?.length ?? 0,
    succeeded_after: after.get(surface)?.filter(({ succeeded }) => succeeded).length ?? 0,
  }));
}

async function hammer(surface: Surface, prepared: readonly Prepared[], isStopped: () => boolean): Promise<Seen[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const seen: Seen[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (!isStopped()) {
        const one = prepared[next++];
        if (one === undefined) return;
        const sentAt = performance.now();
        const { status, text } = await send(one, agent, true);
        const succeeded = surface === "introspection" ? text.includes('"active":true') : status === 200;
        seen.push({ sentAt, answeredAt: performance.now(), succeeded });
      }
    }),
  );
  agent.destroy();
  return seen;
}

function push<T>(lists: Map<Surface, T[]>, surface: Surface, value: T): void {
  lists.set(surface, [...(lists.get(surface) ?? []), value]);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => void setTimeout(done, milliseconds));
}

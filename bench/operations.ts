import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../scripts/build.ts";
import { drive } from "./load.ts";
import { SMALL_BYTES } from "./proxy.ts";
import { exchanges, introspections, proxyCalls, proxyToken } from "./requests.ts";
import { percentile } from "./summary.ts";
import { bundleWorker } from "./workerd.ts";
import { startWorld, type LiveSession, type World } from "./world.ts";

/** Sessions that are counted on, and what each of them does: the shape of one task. */
const SESSIONS = 20;
export const EXCHANGES_PER_SESSION = 5;
export const CALLS_PER_SESSION = 20;
/** How long rows may linger before they are in the ledger, alarms included, in milliseconds. */
const FEED_MS = 4000;
/** How long an object may stay awake without work, and its log beside it, in milliseconds. */
const EVICTION_DEADLINE_MS = 40_000;
const LOOK_MS = 500;
const CLASSES = ["Session", "Agent", "Person", "Tenant", "Ledger"];
/** Objects that keep something of every session. An agent's object is left out: it forgets. */
const SHARED = ["Person", "Tenant", "Ledger"];

/** What Cloudflare charges for. */
export interface Counts {
  readonly worker_requests: number;
  /** Calls of objects, and alarms that ran: each is billed as a request. */
  readonly object_calls: number;
  readonly alarms_run: number;
  readonly alarms_set: number;
  readonly rows_written: number;
  readonly rows_read: number;
}

export interface OperationCounts extends Counts {
  readonly operation: "session opened" | "exchange" | "proxy call" | "introspection" | "session ended";
  readonly times: number;
  /** Which methods of which objects, each so many times an operation. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface OperationMeasurement {
  readonly operations: readonly OperationCounts[];
  /** Of a session's own object, and of the tenant's other objects for each session. */
  readonly bytes_per_live_session: number;
  readonly bytes_per_ended_session: number;
  readonly shared_bytes_per_session: number;
}

/** Runs the broker with its rows and calls counted, and looks at what its objects leave on the disk. */
export async function countOperations(): Promise<OperationMeasurement> {
  const world = await startWorld(bundleWorker("counted", join(ROOT, "wrangler.toml")));
  try {
    await asleep(world);
    const sharedBefore = sharedBytes(world);
    const sessions: LiveSession[] = [];
    const operations: OperationCounts[] = [];
    const count = async (operation: OperationCounts["operation"], times: number, work: () => Promise<unknown>) =>
      operations.push(await counted(world, operation, times, work));

    await count("session opened", SESSIONS, async () => sessions.push(...(await world.open(SESSIONS))));
    const uses = await prepareUses(world, sessions);
    // What fetching nonces and tokens wrote is not what is counted.
    await counted(world, "exchange", 1, async () => undefined);
    await count("exchange", uses.exchanges.length, () => drive(uses.exchanges, 1));
    await count("proxy call", uses.calls.length, () => drive(uses.calls, 1));
    await count("introspection", uses.introspections.length, () => drive(uses.introspections, 1));
    await asleep(world);
    const bytes_per_live_session = sessionBytes(world);
    await count("session ended", SESSIONS, async () => {
      for (const { id } of sessions) await world.admin("POST", `/admin/sessions/${id}/revoke`, {});
    });
    await asleep(world);
    return {
      operations,
      bytes_per_live_session,
      bytes_per_ended_session: sessionBytes(world),
      shared_bytes_per_session: Math.round((sharedBytes(world) - sharedBefore) / SESSIONS),
    };
  } finally {
    await world.stop();
  }
}

async function prepareUses(world: World, sessions: readonly LiveSession[]) {
  const calls = [];
  const asked = [];
  for (const session of sessions) {
    const token = await proxyToken(world, session);
    calls.push(...(await proxyCalls(world, session, token, CALLS_PER_SESSION, SMALL_BYTES)));
    asked.push(...(await introspections(world, session, 1)));
  }
  return {
    exchanges: await exchanges(world, sessions, SESSIONS * EXCHANGES_PER_SESSION),
    calls,
    introspections: asked,
  };
}

/** Does the work, waits until the ledger has its rows, and divides what was counted by the times. */
async function counted(
  world: World,
  operation: OperationCounts["operation"],
  times: number,
  work: () => Promise<unknown>,
): Promise<OperationCounts> {
  await fetch(`${world.issuer}/bench/counts`).then((answer) => answer.arrayBuffer());
  await work();
  await sleep(FEED_MS);
  const taken = (await (await fetch(`${world.issuer}/bench/counts`)).json()) as Counts & {
    readonly calls: Readonly<Record<string, number>>;
  };
  const each = (total: number): number => Math.round((total / times) * 100) / 100;
  return {
    operation,
    times,
    worker_requests: each(taken.worker_requests),
    object_calls: each(taken.object_calls),
    alarms_run: each(taken.alarms_run),
    alarms_set: each(taken.alarms_set),
    rows_written: each(taken.rows_written),
    rows_read: each(taken.rows_read),
    calls: Object.fromEntries(Object.entries(taken.calls).map(([name, total]) => [name, each(total)])),
  };
}

/** Waits until no object is awake: then all that it has is in one file. */
async function asleep(world: World): Promise<void> {
  for (let waited = 0; waited < EVICTION_DEADLINE_MS; waited += LOOK_MS) {
    if (!CLASSES.flatMap((name) => filesOf(world, name)).some(({ name }) => name.endsWith("-wal"))) return;
    await sleep(LOOK_MS);
  }
  throw new Error("objects stay awake");
}

/** What is usual for one session. */
function sessionBytes(world: World): number {
  return percentile(
    filesOf(world, "Session")
      .filter(({ name }) => name.endsWith(".sqlite"))
      .map(({ bytes }) => bytes),
    0.5,
  );
}

function sharedBytes(world: World): number {
  return SHARED.flatMap((name) => filesOf(world, name))
    .filter(({ name }) => name.endsWith(".sqlite"))
    .reduce((so, { bytes }) => so + bytes, 0);
}

function filesOf({ dataPath }: World, className: string): { name: string; bytes: number }[] {
  const directory = join(dataPath, "objects", `stint-${className}`);
  if (!existsSync(directory)) return [];
  // workerd keeps a database of its own beside those of the objects.
  const names = readdirSync(directory).filter((name) => !name.startsWith("metadata"));
  return names.map((name) => ({ name, bytes: statSync(join(directory, name)).size }));
}

import type { DurableObject } from "cloudflare:workers";
import broker, * as objects from "../../src/index.ts";

/**
 * The broker itself, with everything counted that Cloudflare charges for: rows read and written by each
 * cursor, alarms set (one row each), calls of objects and alarms that ran (one request each). The
 * counts stand under `/bench/counts`, which starts them anew.
 */
type Cursor = SqlStorageCursor<Record<string, SqlStorageValue>>;

const totals = { worker_requests: 0, object_calls: 0, alarms_run: 0, alarms_set: 0, rows_written: 0, rows_read: 0 };
const OBJECTS = { SESSION: "Session", AGENT: "Agent", PERSON: "Person", TENANT: "Tenant", LEDGER: "Ledger" } as const;
const calls: Record<string, number> = {};
/** Cursors whose rows are not all read yet: they count when the counts are asked for. */
let cursors: Cursor[] = [];
let isWatched = false;

function watch({ storage }: DurableObjectState): void {
  if (isWatched) return;
  isWatched = true;
  const sql = Object.getPrototypeOf(storage.sql) as SqlStorage;
  const exec: (this: SqlStorage, query: string, ...bindings: unknown[]) => Cursor = Reflect.get(sql, "exec");
  sql.exec = function counted(this: SqlStorage, query: string, ...bindings: unknown[]): Cursor {
    const cursor = exec.call(this, query, ...bindings);
    cursors.push(cursor);
    return cursor;
  } as typeof sql.exec;
  const prototype = Object.getPrototypeOf(storage) as DurableObjectStorage;
  const setAlarm: (this: DurableObjectStorage, at: number | Date) => Promise<void> = Reflect.get(prototype, "setAlarm");
  prototype.setAlarm = function counted(this: DurableObjectStorage, at: number | Date) {
    totals.alarms_set += 1;
    return setAlarm.call(this, at);
  };
}

/** The bindings, with every call that goes out to an object counted. */
function counting(env: Env): Env {
  const namespaces = Object.entries(OBJECTS).map(([binding, name]) => {
    const namespace = env[binding as keyof typeof OBJECTS];
    return [binding, { getByName: (object: string) => countingStub(name, namespace.getByName(object)) }];
  });
  return { ...env, ...Object.fromEntries(namespaces) };
}

function countingStub(name: string, stub: object): object {
  return new Proxy(stub, {
    get(target, method) {
      const work: unknown = Reflect.get(target, method);
      if (typeof work !== "function") return work;
      return (...given: unknown[]): unknown => {
        const call = `${name}.${String(method)}`;
        calls[call] = (calls[call] ?? 0) + 1;
        totals.object_calls += 1;
        // Not `work.apply`, which would be a property of the remote method.
        return Reflect.apply(work, target, given) as unknown;
      };
    },
  });
}

function take(): object {
  for (const cursor of cursors) {
    totals.rows_written += cursor.rowsWritten;
    totals.rows_read += cursor.rowsRead;
  }
  cursors = [];
  const taken = { ...totals, calls: { ...calls } };
  for (const name of Object.keys(totals)) totals[name as keyof typeof totals] = 0;
  for (const name of Object.keys(calls)) delete calls[name];
  return taken;
}

type ObjectClass = new (ctx: DurableObjectState, env: Env) => DurableObject<Env>;

/** A class of objects that count what they do. */
function counted(Base: ObjectClass): ObjectClass {
  return class extends Base {
    constructor(ctx: DurableObjectState, env: Env) {
      watch(ctx);
      super(ctx, counting(env));
    }
  };
}

/** Counts the alarms that run. */
function countingAlarms(prototype: { alarm(): Promise<void> }): void {
  const run: (this: typeof prototype) => Promise<void> = Reflect.get(prototype, "alarm");
  prototype.alarm = function counted(this: typeof prototype) {
    totals.alarms_run += 1;
    return run.call(this);
  };
}
for (const { prototype } of [objects.Session, objects.Agent, objects.Person, objects.Tenant]) countingAlarms(prototype);

export const Session = counted(objects.Session);
export const Agent = counted(objects.Agent);
export const Person = counted(objects.Person);
export const Tenant = counted(objects.Tenant);
export const Ledger = counted(objects.Ledger);

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/bench/counts") return Response.json(take());
    totals.worker_requests += 1;
    return broker.fetch(request, counting(env), ctx);
  },
} satisfies ExportedHandler<Env>;

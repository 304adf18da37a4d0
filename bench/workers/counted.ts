import broker, { Agent, Ledger, Person, Session, Tenant } from "../../src/index.ts";

/**
 * The broker itself, with everything counted that Cloudflare charges for: rows read and written by each
 * cursor, alarms set (one row each), calls of objects and alarms that ran (one request each). The
 * counts stand under `/bench/counts`, which starts them anew.
 */
const totals = { worker_requests: 0, object_calls: 0, alarms_run: 0, alarms_set: 0, rows_written: 0, rows_read: 0 };
const calls: Record<string, number> = {};
/** Cursors whose rows are not all read yet: they count when the counts are asked for. */
let cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
let isWatched = false;

function watch({ storage }: DurableObjectState): void {
  if (isWatched) return;
  isWatched = true;
  const sql = Object.getPrototypeOf(storage.sql) as SqlStorage;
  const exec = sql.exec;
  sql.exec = function counted(this: SqlStorage, ...query: Parameters<typeof exec>) {
    const cursor = exec.apply(this, query);
    cursors.push(cursor);
    return cursor;
  } as typeof exec;
  const prototype = Object.getPrototypeOf(storage) as DurableObjectStorage;
  const setAlarm = prototype.setAlarm;
  prototype.setAlarm = function counted(this: DurableObjectStorage, ...when: Parameters<typeof setAlarm>) {
    totals.alarms_set += 1;
    return setAlarm.apply(this, when);
  };
}

/** Counts each call of an object's methods where it arrives. */
function counting(name: string, prototype: object): void {
  for (const method of Object.getOwnPropertyNames(prototype)) {
    const own = Object.getOwnPropertyDescriptor(prototype, method);
    const work: unknown = own?.value;
    if (typeof work !== "function" || method === "constructor") continue;
    Object.defineProperty(prototype, method, {
      ...own,
      value(this: object, ...given: unknown[]): unknown {
        if (method === "alarm") totals.alarms_run += 1;
        else totals.object_calls += 1;
        calls[`${name}.${method}`] = (calls[`${name}.${method}`] ?? 0) + 1;
        return work.apply(this, given) as unknown;
      },
    });
  }
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

class CountedSession extends Session {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx);
    super(ctx, env);
  }
}
class CountedAgent extends Agent {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx);
    super(ctx, env);
  }
}
class CountedPerson extends Person {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx);
    super(ctx, env);
  }
}
class CountedTenant extends Tenant {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx);
    super(ctx, env);
  }
}
class CountedLedger extends Ledger {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx);
    super(ctx, env);
  }
}
for (const [name, { prototype }] of Object.entries({ Session, Agent, Person, Tenant, Ledger })) counting(name, prototype);

export {
  CountedAgent as Agent,
  CountedLedger as Ledger,
  CountedPerson as Person,
  CountedSession as Session,
  CountedTenant as Tenant,
};

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/bench/counts") return Response.json(take());
    totals.worker_requests += 1;
    return broker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Env>;

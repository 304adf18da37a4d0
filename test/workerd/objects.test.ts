import { env } from "cloudflare:workers";
import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/hash.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { JournalEvent } from "../../src/durable/journal.ts";
import type { IndexedSession } from "../../src/durable/session-index.ts";
import {
  admin,
  agent,
  approve,
  ASK,
  at,
  atWork,
  beginWorld,
  endWorld,
  eventsOf,
  inStorage,
  ISSUER,
  PROXY,
  sessionObject,
  tick,
} from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

const tenant = () => env.TENANT.getByName(objectName(ISSUER));
const ledger = () => env.LEDGER.getByName(objectName(ISSUER));
const MONTH_SECONDS = 31 * 24 * 3600;

describe("what has ended is gone (B12)", () => {
  it("B12 leaves no rows, no alarms and no index of sessions that ended, expired or were never decided", async () => {
    const ids: string[] = [];
    for (let number = 1; number <= 12; number += 1) {
      const bot = await agent(number);
      for (const title of ["one", "two"]) {
        const { body: opened } = await bot.ask({ ...ASK, task: { title } });
        ids.push(opened.session_id);
        if (title === "one") await approve(opened);
      }
    }
    expect(ids).toHaveLength(24);
    for (const seconds of [3600, 3601, 3602]) {
      at(seconds);
      await Promise.all(ids.map(tick));
    }
    expect(await tenant().listSessions()).toHaveLength(24);
    at(3600 + MONTH_SECONDS);
    await Promise.all(ids.map(tick));
    expect(await tenant().listSessions()).toEqual([]);
    for (const id of ids) {
      // At once, and not only for the next instance.
      expect(await sessionObject(id).inspect()).toBeUndefined();
      expect((await admin("GET", `/admin/sessions/${id}`)).status).toBe(404);
      expect(await inStorage(id, "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")).toEqual(
        [],
      );
      expect(await runInDurableObject(sessionObject(id), (_, state) => state.storage.getAlarm())).toBeNull();
    }
    // What they did is still told, and fits together.
    const rows = [];
    for (let page = await ledger().read(0); page.length > 0; page = await ledger().read(rows.length))
      rows.push(...page);
    expect(rows.filter(({ type }) => type === "session.ended")).toHaveLength(24);
    expect((await listDurableObjectIds(env.LEDGER)).length).toBe(1);
  });
});

describe("what was used once (B13)", () => {
  const MANY = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    INSERT INTO used (key, until) SELECT 'dpop:flood:' || i, ? FROM n`;
  const rows = async (id: string) => Number((await inStorage(id, "SELECT count(*) AS n FROM used"))[0]?.["n"]);

  it("B13 is remembered in bounded room: a full object refuses with 503, forgets the oldest in time, and nothing else", async () => {
    const { bot, sessionToken, opened } = await atWork(1);
    const now = Math.floor(Date.now() / 1000);
    await inStorage(opened.session_id, MANY, now + 100);
    at(40);
    expect(await bot.exchange(sessionToken, PROXY)).toMatchObject({
      status: 503,
      body: { error: "temporarily_unavailable" },
    });
    expect(await rows(opened.session_id)).toBeGreaterThan(200_000);
    at(101);
    expect((await bot.exchange(sessionToken, PROXY)).status).toBe(200);
    expect(await rows(opened.session_id)).toBeLessThan(10);
  });

  it("B13 is remembered by a client's object within the same bound", async () => {
    const { bot, sessionToken } = await atWork(1);
    const now = Math.floor(Date.now() / 1000);
    const object = env.AGENT.getByName(objectName(ISSUER, "bot-1"));
    await runInDurableObject(object, (_, state) => void state.storage.sql.exec(MANY, now + 100));
    at(40);
    expect(await bot.introspect(sessionToken)).toMatchObject({ status: 503 });
    at(101);
    expect((await bot.introspect(sessionToken)).body).toMatchObject({ active: true });
  });
});

describe("news that comes ten times and out of order (fault FO)", () => {
  it("FO moves no session back in the index, and no other tenant's", async () => {
    const row = (status: string, ended_at: number | null): IndexedSession => ({
      session_id: "ses_x",
      client_id: "bot-1",
      status,
      created_at: 1,
      ended_at,
      approved_by: [],
    });
    const news = [row("pending", null), row("active", null), row("ended", 5)];
    for (const one of [news[1]!, news[0]!, news[2]!, ...Array.from({ length: 10 }, (_, n) => news[n % 3]!)])
      await tenant().indexSession(one);
    expect(await tenant().listSessions()).toEqual([news[2]]);
  });

  it("FO frees a place, counts a denial and remembers an approval once", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask(ASK);
    const object = env.AGENT.getByName(objectName(ISSUER, "bot-1"));
    for (let times = 0; times < 10; times += 1)
      await object.settle({ session_id: opened.session_id, verdict: "denied", units: [] });
    await object.settle({ session_id: opened.session_id, verdict: "approved", units: ["api:read"] });
    expect((await bot.ask({ ...ASK, task: { title: "Another task" } })).status).toBe(202);
    const past = await runInDurableObject(object, (_, state) =>
      state.storage.sql.exec("SELECT units FROM past").toArray(),
    );
    expect(past).toEqual([{ units: null }]);
  });

  it("FO takes each event into the ledger once and in order, whatever is fed how often", async () => {
    const events = Array.from({ length: 6 }, (_, n): JournalEvent => ({
      seq: n + 1,
      at: n,
      type: "x",
      data: "{}",
      hash: digestOf(n),
    }));
    const fed = [events.slice(2), events.slice(0, 2), events.slice(0, 4), events, events.toReversed(), events];
    const held = [];
    for (const batch of fed) held.push(await ledger().append("ses_x", batch));
    expect(held).toEqual([0, 2, 4, 6, 6, 6]);
    const rows = (await ledger().read(0)).filter(({ source }) => source === "ses_x");
    expect(rows.map(({ seq, hash }) => [seq, hash])).toEqual(events.map(({ seq, hash }) => [seq, hash]));
  });

  it("FO P16 opens, decides and ends a session once, with one event each", async () => {
    const { bot, opened, sessionToken } = await atWork(1);
    const session = sessionObject(opened.session_id);
    const { state, setting } = (await session.inspect())!;
    for (let times = 0; times < 10; times += 1) {
      await session.open({
        request: state.request,
        requestDigest: state.request_digest,
        plan: state.plan,
        setting,
        channels: ["slack"],
      });
      await approve(opened).catch(() => undefined);
      await session.revoke({ kind: "operator" });
      await session.revokeToken("tok_x", { kind: "operator" });
      await tick(opened.session_id);
    }
    expect((await bot.exchange(sessionToken, PROXY)).status).toBe(400);
    const rows = (await ledger().read(0)).filter(({ source }) => source === opened.session_id).map(({ type }) => type);
    for (const type of ["session.requested", "decision.approved", "session.ended"])
      expect(
        rows.filter((one) => one === type),
        type,
      ).toHaveLength(1);
  });
});

describe("a journal that was set back (fault FT)", () => {
  it("FT is told from one that only repeats itself: nothing of it is passed over in silence", async () => {
    const { bot, opened, sessionToken } = await atWork(1);
    const id = opened.session_id;
    await tick(id);
    const before = await ledger().head();
    // Yesterday's copy of the object is put back, and lives on.
    await inStorage(id, "DELETE FROM event WHERE seq > 2");
    await inStorage(id, "UPDATE journal SET sent = 2");
    await evictDurableObject(sessionObject(id));
    at(10);
    await bot.exchange(sessionToken, PROXY);
    await tick(id);
    expect(await ledger().head()).toEqual(before);
    expect((await inStorage(id, "SELECT sent FROM journal"))[0]).toEqual({ sent: 2 });
    expect(await eventsOf(id)).toHaveLength(3);
  });
});

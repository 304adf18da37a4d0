import { env, exports } from "cloudflare:workers";
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { app } from "../../src/app.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { Session } from "../../src/durable/session.ts";
import {
  agent,
  answerWith,
  approve,
  ASK,
  at,
  atWork,
  beginWorld,
  claimsOf,
  endWorld,
  eventsOf,
  inStorage,
  ISSUER,
  PROXY,
  sent,
  sessionObject,
  type AtWork,
} from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

type ObjectClass = "SESSION" | "AGENT" | "TENANT";

/** What the platform throws when an object does not answer. */
const FAULTS: Record<string, object> = {
  "is overloaded": { overloaded: true },
  "may be asked again": { retryable: true },
  "was reset by a deployment": { durableObjectReset: true, retryable: true },
  "broke its stub": { message: "Cannot perform I/O on a broken stub" },
};

/** The worker, in an environment whose objects of one class fail, before or after they did what they were asked. */
function answerWithout(objects: ObjectClass, fault: object, when: "before" | "after" = "before"): { calls: number } {
  const seen = { calls: 0 };
  const getByName = (name: string): object =>
    new Proxy(env[objects].getByName(name), {
      get:
        (stub, method) =>
        async (...args: unknown[]) => {
          seen.calls += 1;
          if (when === "after")
            await (stub as never as Record<string | symbol, (...all: unknown[]) => unknown>)[method]!(...args);
          throw Object.assign(new Error("an object failed"), fault);
        },
    });
  const broken = { ...env, [objects]: { getByName } } as unknown as Env;
  answerWith(async (request) => app.fetch(request, broken, createExecutionContext()));
  return seen;
}

const answerAgain = () => answerWith((request) => exports.default.fetch(request));

/** Whatever an agent does with a session that goes on. */
const DEEDS: Record<string, (work: AtWork) => Promise<{ status: number; headers: Headers; body: object }>> = {
  asking: ({ bot }) => bot.ask({ ...ASK, task: { title: "Another task" } }),
  polling: ({ bot, opened }) => bot.poll(opened.auth_req_id),
  exchanging: ({ bot, sessionToken }) => bot.exchange(sessionToken, PROXY),
  introspecting: ({ bot, sessionToken }) => bot.introspect(sessionToken),
  revoking: ({ bot, sessionToken }) =>
    bot.form("/oauth/revoke", async () => ({ token: sessionToken, ...(await bot.assertion()) })),
  "looking at it": ({ bot, sessionToken, opened }) => bot.call(sessionToken, "GET", `/sessions/${opened.session_id}`),
  "ending it": ({ bot, sessionToken, opened }) => bot.call(sessionToken, "POST", `/sessions/${opened.session_id}/end`),
  "calling the upstream": ({ bot, proxyToken }) => bot.call(proxyToken, "GET", "/proxy/api/things"),
};
const UNAVAILABLE = { status: 503, body: { error: "temporarily_unavailable" } };

describe("an object that does not answer (fault FG)", () => {
  it.each(Object.entries(FAULTS))(
    "FG denies everything with 503, asks once, and changes nothing: it %s",
    async (_, fault) => {
      const work = await atWork(1);
      const { session_id } = work.opened;
      const before = await eventsOf(session_id);
      for (const [deed, attempt] of Object.entries(DEEDS)) {
        const seen = answerWithout("SESSION", fault);
        const answer = await attempt(work);
        expect(answer, deed).toMatchObject(UNAVAILABLE);
        expect(answer.headers.get("retry-after"), deed).toMatch(/^\d+$/);
        expect(seen.calls, deed).toBe(1);
      }
      answerAgain();
      expect(await eventsOf(session_id)).toEqual(before);
      expect(sent).toEqual([]);
      expect((await work.bot.exchange(work.sessionToken, PROXY)).status).toBe(200);
    },
  );

  it("FG FU denies while the client's object or the tenant's is away, and serves again afterwards", async () => {
    const work = await atWork(1);
    answerWithout("AGENT", FAULTS["is overloaded"]!);
    for (const deed of ["asking", "polling", "introspecting", "revoking"])
      expect(await DEEDS[deed]!(work), deed).toMatchObject(UNAVAILABLE);
    answerWithout("TENANT", FAULTS["is overloaded"]!);
    // What this isolate knows of the tenant is believed for five seconds, and no longer.
    at(6);
    for (const [deed, attempt] of Object.entries(DEEDS)) expect(await attempt(work), deed).toMatchObject(UNAVAILABLE);
    answerAgain();
    expect((await work.bot.exchange(work.sessionToken, PROXY)).status).toBe(200);
  });

  it("FG tells a person by a page that looks finished, and a program by JSON", async () => {
    const work = await atWork(1);
    answerWithout("TENANT", FAULTS["is overloaded"]!);
    at(6);
    const asked = { accept: "text/html,application/xhtml+xml", "content-type": "application/x-www-form-urlencoded" };
    const pages = [
      await fetch(`${ISSUER}/approve/view`, { method: "POST", headers: asked, body: "token=x" }),
      await fetch(`${ISSUER}/inbox`, { headers: asked }),
    ];
    for (const answer of pages) {
      expect([answer.status, answer.headers.get("content-type")]).toEqual([503, "text/html; charset=utf-8"]);
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(await answer.text()).toContain("Stint cannot answer now");
    }
    const script = await fetch(`${ISSUER}/approve/challenge`, { method: "POST", headers: { accept: "*/*" }, body: "" });
    expect(script.headers.get("content-type")).toBe("application/json");
    const program = await work.bot.call(work.proxyToken, "GET", "/proxy/api/things");
    expect(program).toMatchObject(UNAVAILABLE);
    answerAgain();
    const nowhere = await fetch(`${ISSUER}/`, { headers: asked });
    expect([nowhere.status, (await nowhere.text()).includes('href="/inbox"')]).toEqual([404, true]);
    expect((await fetch(`${ISSUER}/nowhere`, { headers: asked })).headers.get("content-type")).toBe("application/json");
  });

  it("FG FP opens one session for one request, when the answer that it was opened got lost", async () => {
    const bot = await agent(1);
    for (const objects of ["AGENT", "SESSION"] as const) {
      answerWithout(objects, FAULTS["was reset by a deployment"]!, "after");
      expect(await bot.ask(ASK)).toMatchObject(UNAVAILABLE);
    }
    answerAgain();
    const first = await bot.ask(ASK);
    expect(first.status).toBe(202);
    expect((await bot.ask(ASK)).body.session_id).toBe(first.body.session_id);
    expect((await eventsOf(first.body.session_id)).filter((type) => type === "session.requested")).toHaveLength(1);
    const asked = await runInDurableObject(env.AGENT.getByName(objectName(ISSUER, "bot-1")), (_, state) =>
      state.storage.sql.exec("SELECT session_id FROM ask").toArray(),
    );
    expect(asked).toEqual([{ session_id: first.body.session_id }]);
  });

  it("FG FP leaves a token that nobody got written down, and revoked as soon as anybody asked for that", async () => {
    const work = await atWork(1);
    const { session_id } = work.opened;
    const minted = async () => (await eventsOf(session_id)).filter((type) => type === "token.minted").length;
    const before = await minted();
    answerWithout("SESSION", FAULTS["may be asked again"]!, "after");
    expect(await DEEDS["exchanging"]!(work)).toMatchObject(UNAVAILABLE);
    expect(await minted()).toBe(before + 1);
    expect(await DEEDS["revoking"]!(work)).toMatchObject(UNAVAILABLE);
    answerAgain();
    expect(await DEEDS["exchanging"]!(work)).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    expect((await DEEDS["revoking"]!(work)).status).toBe(200);
    expect((await eventsOf(session_id)).filter((type) => type === "session.ended")).toHaveLength(1);
  });
});

describe("more than one session can be asked at once (fault FW)", () => {
  it("FW serves each of three hundred calls of one session once or not at all, and another session meanwhile", async () => {
    const [busy, other] = [await atWork(1), await atWork(2)];
    const before = (await eventsOf(busy.opened.session_id)).length;
    const [calls, beside] = await Promise.all([
      Promise.all(Array.from({ length: 300 }, () => DEEDS["exchanging"]!(busy))),
      Promise.all(Array.from({ length: 10 }, () => DEEDS["exchanging"]!(other))),
    ]);
    expect(beside.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(new Set(calls.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await eventsOf(busy.opened.session_id)).length).toBe(before + 300);
  });
});

describe("a disk that refuses (faults FR, R07, U05)", () => {
  const refuse = (id: string, table: string, verb = "INSERT") =>
    inStorage(
      id,
      `CREATE TRIGGER full_${table} BEFORE ${verb} ON ${table} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
    );
  const allow = (id: string, table: string) => inStorage(id, `DROP TRIGGER full_${table}`);

  it.each(["event", "used"])(
    "U05 FR issues no token and lets no call through that it cannot write down (%s)",
    async (table) => {
      const work = await atWork(1);
      const { session_id } = work.opened;
      const before = await eventsOf(session_id);
      await refuse(session_id, table);
      for (const deed of ["exchanging", "calling the upstream", "ending it"])
        expect(await DEEDS[deed]!(work), deed).toMatchObject(UNAVAILABLE);
      await allow(session_id, table);
      expect(await eventsOf(session_id)).toEqual(before);
      expect(sent).toEqual([]);
      expect(await DEEDS["exchanging"]!(work)).toMatchObject({ status: 200 });
    },
  );

  it("U05 decides and redeems nothing that it cannot write down", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask(ASK);
    await refuse(opened.session_id, "event");
    await expect(approve(opened)).rejects.toThrow();
    expect(await bot.poll(opened.auth_req_id)).toMatchObject({ body: { error: "authorization_pending" } });
    await allow(opened.session_id, "event");
    await approve(opened);
    await refuse(opened.session_id, "event");
    expect(await bot.poll(opened.auth_req_id)).toMatchObject(UNAVAILABLE);
    await allow(opened.session_id, "event");
    expect(await bot.poll(opened.auth_req_id)).toMatchObject({ status: 200 });
  });

  it("R07 says 503, never 200, of a revocation that was not written down", async () => {
    const work = await atWork(1);
    const { session_id } = work.opened;
    for (const [table, verb] of [
      ["session", "UPDATE"],
      ["event", "INSERT"],
      ["outbox", "INSERT"],
    ] as const) {
      await refuse(session_id, table, verb);
      expect(await DEEDS["revoking"]!(work), table).toMatchObject(UNAVAILABLE);
      await allow(session_id, table);
      expect((await DEEDS["exchanging"]!(work)).status, table).toBe(200);
    }
    expect((await DEEDS["revoking"]!(work)).status).toBe(200);
    expect((await DEEDS["exchanging"]!(work)).status).toBe(400);
  });

  it("R10 revokes once, however often it is told to, with one event", async () => {
    const work = await atWork(1);
    for (let times = 0; times < 3; times += 1) expect((await DEEDS["revoking"]!(work)).status).toBe(200);
    expect((await eventsOf(work.opened.session_id)).filter((type) => type === "session.ended")).toHaveLength(1);
  });

  it("FR keeps room to revoke and to end: past its share of the disk a session lends nothing more", async () => {
    const [work, other] = [await atWork(1), await atWork(2)];
    const { session_id } = work.opened;
    for (const id of [session_id, other.opened.session_id])
      await runInDurableObject(sessionObject(id), (_: Session, state) => {
        Object.defineProperty(state.storage.sql, "databaseSize", { value: 6 * 1024 ** 3 });
      });
    at(60);
    for (const deed of ["exchanging", "calling the upstream"])
      expect(await DEEDS[deed]!(work), deed).toMatchObject(UNAVAILABLE);
    expect((await DEEDS["ending it"]!(work)).status).toBe(200);
    expect((await DEEDS["revoking"]!(other)).status).toBe(200);
    expect((await eventsOf(other.opened.session_id)).at(-1)).toBe("session.ended");
  });
});

describe("an instance that is not the newest any more (fault FH)", () => {
  const END =
    "UPDATE session SET state = json_set(state, '$.status', 'ended', '$.how', 'revoked', '$.ended_at', 1800000000)";

  it("FH takes every decision by what is stored, and not by what it remembers", async () => {
    const work = await atWork(1);
    const { bot, opened, sessionToken, proxyToken } = work;
    expect((await bot.introspect(proxyToken)).body).toMatchObject({ active: true });
    await inStorage(opened.session_id, END);
    expect(await DEEDS["exchanging"]!(work)).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    expect(await DEEDS["calling the upstream"]!(work)).toMatchObject({ status: 401, body: { error: "invalid_token" } });
    for (const token of [sessionToken, proxyToken])
      expect((await bot.introspect(token)).body).toEqual({ active: false });
    expect(await DEEDS["looking at it"]!(work)).toMatchObject({ body: { status: "ended", outcome: "revoked" } });
  });

  it("FH knows a token as revoked, a request as decided and a proof as used that another instance wrote down", async () => {
    const { bot, opened, proxyToken } = await atWork(1);
    const { jti } = claimsOf(proxyToken);
    await inStorage(opened.session_id, "CREATE TABLE revoked_token (jti TEXT PRIMARY KEY) WITHOUT ROWID");
    await inStorage(opened.session_id, "INSERT INTO revoked_token (jti) VALUES (?)", String(jti));
    await inStorage(opened.session_id, "UPDATE session SET has_revoked = 1");
    expect((await bot.call(proxyToken, "GET", "/proxy/api/things")).status).toBe(401);
    expect((await bot.introspect(proxyToken)).body).toEqual({ active: false });
    const { body: waiting } = await bot.ask({ ...ASK, task: { title: "Another task" } });
    await inStorage(waiting.session_id, END);
    await expect(approve(waiting)).rejects.toThrow(/already_decided|not_pending|ended/);
    expect(await bot.poll(waiting.auth_req_id)).toMatchObject({ body: { error: "access_denied" } });
  });
});

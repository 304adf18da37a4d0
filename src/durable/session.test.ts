import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unitsOf } from "../domain/access.ts";
import { objectName } from "../domain/ids.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { EARLIER_TABLES } from "../../test/support/earlier-session.ts";
import {
  access,
  activeSession,
  approveSession,
  at,
  DANA,
  forgetAll,
  freshProof,
  ISSUER,
  nowSeconds,
  openSession,
  pollSession,
  sessionObject,
  STANDING,
  START,
  stopClock,
} from "../../test/workerd/session-object.ts";
import type { Session } from "./session.ts";
import type { ExchangeCommand } from "./session-commands.ts";

const SESSION_ID = "ses_AAAAAAAAAAAAAAAAAAAAAA";
const details = access("read");

beforeEach(stopClock);
afterEach(forgetAll);

const session = () => sessionObject(SESSION_ID);
const open = (expires_in = 600) => openSession(SESSION_ID, { expires_in });
const approve = (seconds = 600) => approveSession(SESSION_ID, details, nowSeconds() + seconds);
const poll = () => pollSession(SESSION_ID);
const active = (seconds = 600) => activeSession(SESSION_ID, details, seconds);

function exchangeCommand(changes: Partial<ExchangeCommand> = {}): ExchangeCommand {
  const proof = freshProof();
  return {
    token: { jti: "tok_session" },
    proof,
    standing: STANDING,
    ask: {
      subject: { kind: "session" },
      exchanger: { kind: "agent" },
      target: { kind: "upstream", id: "api", audience: `${ISSUER}/proxy/api` },
    },
    mint: { jti: `tok_${proof.key}`, jkt: "key" },
    ...changes,
  };
}
const exchange = (changes: Partial<ExchangeCommand> = {}) => session().exchange(exchangeCommand(changes));

const events = (type: string) =>
  runInDurableObject(
    session(),
    (_: Session, state) =>
      state.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM event WHERE type = ?", type).one().n,
  );

describe("time (group Z, fault FE and FF)", () => {
  it("Z01 exchanges until, and not at, the second of the end, with no alarm", async () => {
    await active(300);
    at(299);
    expect((await exchange()).ok).toBe(true);
    at(300);
    expect(await exchange()).toEqual({ ok: false, error: "ended" });
    at(301);
    expect(await exchange()).toEqual({ ok: false, error: "ended" });
  });

  it("Z02 refuses when the alarm is ten minutes late, and writes the end down once", async () => {
    await active(300);
    at(900);
    expect((await exchange()).ok).toBe(false);
    await runDurableObjectAlarm(session());
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    const rows = await env.LEDGER.getByName(objectName(ISSUER)).read(0);
    expect(rows.filter(({ type }) => type === "session.ended")).toHaveLength(1);
    const state = await session().inspect();
    expect(state?.state).toMatchObject({ status: "ended", how: "expired", ended_at: START + 300 });
  });

  it("Z03 is not harmed by an early alarm", async () => {
    await active(300);
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    expect((await exchange()).ok).toBe(true);
    expect(await events("session.ended")).toBe(0);
  });

  it("FF P19 stays ended when the clock is set back an hour", async () => {
    await active(300);
    at(400);
    expect((await exchange()).ok).toBe(false);
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    at(-3600);
    expect((await exchange()).ok).toBe(false);
    expect((await session().inspect())?.state.status).toBe("ended");
  });

  it("FF P7 does not take a forgotten proof again after the clock was set back", async () => {
    await active(600);
    const used = freshProof();
    expect((await exchange({ proof: used })).ok).toBe(true);
    at(200);
    expect((await exchange()).ok).toBe(true);
    at(0);
    expect((await exchange({ proof: used })).ok).toBe(false);
  });

  it("lets a request lapse by itself", async () => {
    await open();
    at(REQUEST_LIFETIME_SECONDS);
    expect(await session().deny(DANA, "x")).toMatchObject({ ok: false, error: { reason: "request_expired" } });
    expect(await poll()).toEqual({ ok: false, error: "expired" });
  });
});

describe("one writer (properties P5, P6, P7)", () => {
  it("mints once per proof, of fifty at once, and writes one event for it", async () => {
    await active();
    const before = await events("token.minted");
    const same = freshProof();
    const results = await Promise.all(Array.from({ length: 50 }, () => exchange({ proof: same })));
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await events("token.minted")).toBe(before + 1);
  });

  it("writes an event for every token, when many are minted at once", async () => {
    await active();
    const results = await Promise.all(Array.from({ length: 100 }, () => exchange()));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(await events("token.minted")).toBe(101);
  });

  it("forgets nothing when it is evicted", async () => {
    await active();
    const used = freshProof();
    await exchange({ proof: used });
    await evictDurableObject(session());
    expect(await exchange({ proof: used })).toEqual({ ok: false, error: "replayed" });
    expect((await exchange()).ok).toBe(true);
  });

  it("P15 leaves nothing behind when a transaction fails half way", async () => {
    await active();
    const before = await events("token.minted");
    await runInDurableObject(session(), (_: Session, state) => {
      state.storage.sql.exec(
        "CREATE TRIGGER no_events BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
      );
    });
    const used = freshProof();
    const command = exchangeCommand({ proof: used });
    const outcome = await runInDurableObject(session(), (instance: Session) =>
      instance.exchange(command).then(
        () => "answered",
        () => "threw",
      ),
    );
    expect(outcome).toBe("threw");
    await runInDurableObject(session(), (_: Session, state) => void state.storage.sql.exec("DROP TRIGGER no_events"));
    expect(await events("token.minted")).toBe(before);
    expect((await exchange({ proof: used })).ok).toBe(true);
  });

  it("Z07 reaches one end, whoever races", async () => {
    await open();
    const narrowing = { authorization_details: details, expires_at: START + 600 };
    const drafted = await session().draft(DANA, narrowing);
    const digest = drafted.ok ? drafted.value.digest : "";
    const request = (await session().inspect())!.state.request_digest;
    await Promise.all([
      session().approve(DANA, { ...narrowing, digest }),
      session().deny(DANA, request),
      session().revoke({ kind: "operator" }),
      session().withdraw("bot"),
    ]);
    expect((await events("decision.approved")) + (await events("decision.denied"))).toBeLessThanOrEqual(1);
    expect(await events("session.ended")).toBeLessThanOrEqual(1);
  });
});

describe("a session that an earlier release opened (fault FS)", () => {
  const asEarlier = async () => {
    await runInDurableObject(session(), (_: Session, state) => void state.storage.sql.exec(EARLIER_TABLES));
    await evictDurableObject(session());
  };

  it("goes on where it was: what was refused is counted on, what the ledger has is not sent again", async () => {
    await active();
    await exchange({ standing: { allow: [] } });
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    const sent = (await env.LEDGER.getByName(objectName(ISSUER)).read(0)).length;
    await asEarlier();
    expect((await exchange()).ok).toBe(true);
    await exchange({ standing: { allow: [] } });
    expect((await session().inspect())?.usage.refusals).toBe(2);
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    const rows = await env.LEDGER.getByName(objectName(ISSUER)).read(0);
    expect(rows).toHaveLength(sent + 2);
    expect(rows.filter(({ source }) => source === SESSION_ID).map(({ seq }) => seq)).toEqual(
      Array.from({ length: rows.filter(({ source }) => source === SESSION_ID).length }, (_, at) => at + 1),
    );
  });

  it("refuses a token that was revoked then, and one that is revoked now", async () => {
    await active();
    await session().revokeToken("tok_before", { kind: "operator" });
    await asEarlier();
    expect(await exchange({ token: { jti: "tok_before" } })).toEqual({ ok: false, error: "token_revoked" });
    expect((await exchange()).ok).toBe(true);
    await session().revokeToken("tok_now", { kind: "operator" });
    await evictDurableObject(session());
    expect(await exchange({ token: { jti: "tok_now" } })).toEqual({ ok: false, error: "token_revoked" });
  });

  it("slows a client down that polled it then", async () => {
    await open();
    await poll();
    await asEarlier();
    expect(await poll()).toEqual({ ok: false, error: "slow_down" });
  });

  it("keeps the receipt that it had", async () => {
    await active();
    await session().revoke({ kind: "operator" });
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    const before = (await session().inspect())?.receipt;
    expect(before).toMatch(/^ey/);
    await asEarlier();
    expect((await session().inspect())?.receipt).toBe(before);
    await evictDurableObject(session());
    expect((await session().inspect())?.receipt).toBe(before);
  });
});

describe("a mint that was lost with its process (fault FD)", () => {
  it.each([
    ["is told as unknown in the receipt, once it cannot come back any more", "possible", ["unknown"]],
    ["of a release that did not say is told as unknown", null, ["unknown"]],
    ["of a key that is never made anew left nothing behind, and is not told", "none", []],
  ])("%s", async (_, orphans, fates) => {
    await active();
    await runInDurableObject(session(), (_: Session, state) => {
      state.storage.sql.exec(
        "INSERT INTO lease (lease_id, upstream, status, reserved_at, orphans, ends_by) VALUES ('lse_lost', 'api', 'reserved', ?, ?, ?)",
        START,
        orphans,
        orphans === null ? null : START + 3600,
      );
    });
    await session().revoke({ kind: "operator" });
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    expect((await session().inspect())?.receipt).toBeUndefined();
    at(121);
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    const { receipt = "" } = (await session().inspect())!;
    const claims = JSON.parse(atob(receipt.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/"))) as {
      leases: { fate: { fate: string }; in_words: string }[];
    };
    expect(claims.leases.map(({ fate }) => fate.fate)).toEqual(fates);
    for (const { in_words } of claims.leases)
      expect(in_words).toMatch(orphans === null ? /may or may not have been made$/ : /ends by itself by 20.*Z$/);
  });
});

describe("limits", () => {
  it("FV refuses a session of an agent that was cut off, before the object was told", async () => {
    await active();
    expect(await exchange({ standing: { ...STANDING, killedUntil: START } })).toEqual({ ok: false, error: "ended" });
    expect((await exchange({ standing: { ...STANDING, killedUntil: START - 1 } })).ok).toBe(true);
  });

  it("refuses what today's policy no longer allows", async () => {
    await active();
    expect(await exchange({ standing: { allow: [] } })).toEqual({ ok: false, error: "invalid_target" });
  });

  it("B19 bounds what a refused agent can write", async () => {
    await active();
    for (let round = 0; round < 25; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => exchange({ standing: { allow: [] } })));
    expect(await events("refused")).toBe(200);
    expect((await session().inspect())?.usage.refusals).toBe(250);
  });

  it("B19 sees an agent that was refused a lot before, and says how much of it was only counted", async () => {
    await open(7200);
    await approve(7200);
    await poll();
    const refused = async (times: number) => {
      for (let n = 0; n < times; n += 1) await exchange({ standing: { allow: [] } });
    };
    await refused(210);
    at(3599);
    await refused(1);
    expect(await events("refused")).toBe(200);
    at(3600);
    await refused(2);
    expect(await events("refused")).toBe(202);
    const told = await runInDurableObject(session(), (_: Session, state) =>
      state.storage.sql
        .exec<{ data: string }>("SELECT data FROM event WHERE type = 'refused' ORDER BY seq DESC LIMIT 2")
        .toArray(),
    );
    expect(told.map(({ data }) => (JSON.parse(data) as Record<string, unknown>)["not_recorded_so_far"])).toEqual([
      undefined,
      11,
    ]);
    expect((await session().inspect())?.usage.refusals).toBe(213);
  });

  it("writes nothing for an id that nobody opened", async () => {
    expect(await exchange()).toEqual({ ok: false, error: "unknown_session" });
    expect(await session().inspect()).toBeUndefined();
    const tables = await runInDurableObject(session(), (_: Session, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("P14 shrinks after its end, keeps its receipt, and deletes itself after the retention time", async () => {
    await active();
    await exchange();
    await session().revoke({ kind: "operator" });
    const before = await session().inspect();
    for (let round = 0; round < 3; round += 1)
      await runInDurableObject(session(), (instance: Session) => instance.alarm());
    expect((await session().inspect())?.receipt).toMatch(/^ey/);
    expect(await events("token.minted")).toBe(0);
    // What it tells of itself is what it told before.
    expect(before?.usage.tokens_minted).toBe(2);
    expect((await session().inspect())?.usage).toEqual(before?.usage);
    at(31 * 24 * 3600);
    await runInDurableObject(session(), (instance: Session) => instance.alarm());
    await evictDurableObject(session());
    expect(await session().inspect()).toBeUndefined();
    expect(unitsOf(details[0]!)).toEqual(["api:read"]);
  });
});

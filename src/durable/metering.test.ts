import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it } from "vitest";
import type { Limits } from "../domain/limits.ts";
import { EARLIER_TABLES } from "../../test/support/earlier-session.ts";
import {
  access,
  activeSession,
  forgetAll,
  freshProof,
  sessionObject,
  STANDING,
} from "../../test/workerd/session-object.ts";
import type { Session } from "./session.ts";

const SESSION_ID = "ses_AAAAAAAAAAAAAAAAAAAAAA";
const session = () => sessionObject(SESSION_ID);

afterEach(forgetAll);

/** A session that is at work, with these limits. */
const active = (limits: Limits) =>
  activeSession(
    SESSION_ID,
    access("read").map((detail) => ({ ...detail, limits })),
  );

const call = () =>
  session().call({
    token: { jti: "tok_session" },
    proof: freshProof(),
    standing: STANDING,
    upstream: "api",
    calls: [{ unit: "api:read", access: "read", cost: 1, times: 1 }],
    method: "GET",
    limits: {},
    bodyBytes: 0,
  });
const reserve = (neededBytes: number, limits: Limits = {}) =>
  session().reserveBytes({ upstream: "api", limits, neededBytes, spareBytes: 0 });
const used = async () => (await session().inspect())?.usage.upstreams;

describe("metering (one writer)", () => {
  it("counts ten of fifty at once, with an event for each, also when it is evicted in between", async () => {
    await active({ calls: 10 });
    const first = await Promise.all(Array.from({ length: 25 }, call));
    await evictDurableObject(session());
    const second = await Promise.all(Array.from({ length: 25 }, call));
    // There is no such upstream, which is found out after the call was let through.
    const limited = [...first, ...second].filter((result) => !result.ok && typeof result.error === "object");
    expect(limited).toHaveLength(40);
    expect(await used()).toEqual([{ upstream: "api", calls: 10, writes: 0, bytes: 0, units: 10 }]);
    const events = await runInDurableObject(
      session(),
      (_: Session, state) =>
        state.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM event WHERE type = 'call.authorized'").one().n,
    );
    expect(events).toBe(10);
  });

  it("FD keeps what was reserved when nobody comes back to say how much was needed", async () => {
    await active({ bytes: 1000 });
    expect(await reserve(600)).toEqual({ ok: true, value: 600 });
    await evictDurableObject(session());
    expect(await reserve(600)).toMatchObject({ ok: false, error: { limit: "bytes", left: { bytes: 400 } } });
    await session().settle("api", 600, 100);
    expect(await used()).toMatchObject([{ bytes: 100 }]);
    expect(await reserve(600)).toMatchObject({ ok: true });
  });

  it("FD writes down by its next alarm what was given back, and has it in its account at once", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    await session().settle("api", 600, 100);
    expect(await used()).toMatchObject([{ bytes: 100 }]);
    const due = await runInDurableObject(session(), (_: Session, state) => state.storage.getAlarm());
    expect(due).toBeLessThanOrEqual(Date.now() + 2000);
    await runDurableObjectAlarm(session());
    await evictDurableObject(session());
    expect(await used()).toMatchObject([{ bytes: 100 }]);
  });

  it("has what was given back in the account that it closes", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    await session().settle("api", 600, 100);
    await session().revoke({ kind: "operator" });
    await evictDurableObject(session());
    expect(await used()).toMatchObject([{ bytes: 100 }]);
  });

  it("has as used up what was given back to an object that died before it wrote it down", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    await session().settle("api", 600, 100);
    await evictDurableObject(session());
    expect(await used()).toMatchObject([{ bytes: 600 }]);
  });

  it("P15 keeps nothing of a call that could not be written down", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    await runInDurableObject(session(), (_: Session, state) => {
      state.storage.sql.exec("CREATE TRIGGER full BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    });
    const outcome = await runInDurableObject(session(), (instance: Session) =>
      instance.reserveBytes({ upstream: "api", limits: {}, neededBytes: 100, spareBytes: 0 }).then(
        () => "answered",
        () => "threw",
      ),
    );
    expect(outcome).toBe("threw");
    expect(await used()).toMatchObject([{ bytes: 600 }]);
  });

  it("begins no answer after the end, and frees what its head says that it does not need", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    const begin = (reservedBytes: number, neededBytes: number) =>
      session().beginAnswer({ jti: "tok_session" }, STANDING, {
        upstream: "api",
        limits: {},
        reservedBytes,
        neededBytes,
      });
    expect(await begin(600, 100)).toEqual({ ok: true, value: 100 });
    expect(await begin(100, 1100)).toMatchObject({ ok: false, error: { limit: "bytes" } });
    expect(await begin(100, 1000)).toEqual({ ok: true, value: 1000 });
    expect(await used()).toMatchObject([{ bytes: 1000 }]);
    await session().revoke({ kind: "operator" });
    expect(await begin(1000, 1)).toEqual({ ok: false, error: "ended" });
    expect(await used()).toMatchObject([{ bytes: 1000 }]);
  });

  it("takes the tightest of the grant's limits and those that came with the call", async () => {
    await active({ bytes: 1000 });
    expect(await reserve(600, { bytes: 500 })).toMatchObject({ ok: false, error: { limits: { bytes: 500 } } });
    expect(await reserve(600, { bytes: 5000 })).toMatchObject({ ok: true });
  });

  it("closes the account with the session: what is stated then stays", async () => {
    await active({ bytes: 1000 });
    await reserve(600);
    await session().revoke({ kind: "operator" });
    expect(await reserve(1)).toEqual({ ok: false, error: "ended" });
    await session().settle("api", 600, 1);
    expect(await used()).toMatchObject([{ bytes: 600 }]);
  });

  it("FS meters a session that an earlier release opened", async () => {
    await active({ calls: 1 });
    await runInDurableObject(session(), (_: Session, state) => {
      state.storage.sql.exec(EARLIER_TABLES);
      state.storage.sql.exec("DROP TABLE usage");
    });
    await evictDurableObject(session());
    expect(await used()).toEqual([]);
    expect(await call()).toMatchObject({ ok: false, error: expect.any(String) });
    expect(await call()).toMatchObject({ ok: false, error: { limit: "calls", left: { calls: 0 } } });
  });
});

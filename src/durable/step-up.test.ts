import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AccessDetail } from "../domain/access.ts";
import type { ActiveSession } from "../domain/session.ts";
import {
  access,
  approveSession,
  at,
  forgetAll,
  openSession,
  pollSession,
  sessionObject as object,
  START,
  stopClock,
} from "../../test/workerd/session-object.ts";
import type { Session } from "./session.ts";

const SESSION_ID = "ses_AAAAAAAAAAAAAAAAAAAAAA";
const REQUEST_ID = "ses_BBBBBBBBBBBBBBBBBBBBBB";
const END = START + 600;

beforeEach(stopClock);
afterEach(forgetAll);

const session = () => object(SESSION_ID);
const request = () => object(REQUEST_ID);
const alarm = (id: string) => runInDurableObject(object(id), (instance: Session) => instance.alarm());
const stateOf = async (id: string) => (await object(id).inspect())!.state;
const events = async (id: string): Promise<string[]> =>
  runInDurableObject(object(id), (_: Session, { storage }) =>
    storage.sql
      .exec<{ type: string }>("SELECT type FROM event WHERE type LIKE 'step_up%' OR type = 'refused' ORDER BY seq")
      .toArray()
      .map(({ type }) => type),
  );

const approve = (id: string, details: AccessDetail[]) => approveSession(id, details, END);

/** A session that may read, and a request for more that is approved and not carried over yet. */
async function approvedRequest(): Promise<void> {
  await openSession(SESSION_ID);
  await approve(SESSION_ID, access("read"));
  const { grant_digest } = (await stateOf(SESSION_ID)) as ActiveSession;
  await session().claimStepUp(REQUEST_ID, END);
  await openSession(REQUEST_ID, {
    authorization_details: access("read", "write"),
    extends: { session_id: SESSION_ID, grant_digest, authorization_details: access("read"), expires_at: END },
  });
  await approve(REQUEST_ID, access("read", "write"));
}

describe("the way of an approved grant from the request to its session", () => {
  it("survives that both objects are evicted, and changes the session once however often it is gone", async () => {
    await approvedRequest();
    const approved = (await stateOf(REQUEST_ID)) as ActiveSession;
    await evictDurableObject(session());
    await evictDurableObject(request());
    await alarm(REQUEST_ID);
    expect(await stateOf(SESSION_ID)).toMatchObject({
      status: "active",
      grant: { authorization_details: access("read", "write"), expires_at: END },
      grant_digest: approved.grant_digest,
      step_up: { status: "approved" },
    });
    expect(await stateOf(REQUEST_ID)).toMatchObject({ status: "ended", how: "completed" });
    const { grant, grant_digest, decision } = approved;
    expect(await session().extend({ grant, grant_digest, decision })).toBe(true);
    await alarm(REQUEST_ID);
    expect(await events(SESSION_ID)).toEqual(["step_up.requested", "step_up.granted"]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["was revoked", () => session().revoke({ kind: "operator" })],
    ["has run out", async () => at(600)],
  ])("ends at a session that %s", async (_, over) => {
    await approvedRequest();
    await over();
    await alarm(REQUEST_ID);
    expect(await stateOf(SESSION_ID)).toMatchObject({
      status: "ended",
      grant: { authorization_details: access("read") },
    });
    expect(await stateOf(REQUEST_ID)).toMatchObject({ status: "ended" });
    expect(await events(SESSION_ID)).not.toContain("step_up.granted");
  });

  it("is not gone by a request that a human ended before", async () => {
    await approvedRequest();
    await request().revoke({ kind: "operator" });
    await alarm(REQUEST_ID);
    expect(await stateOf(SESSION_ID)).toMatchObject({
      grant: { authorization_details: access("read") },
      step_up: { status: "refused" },
    });
  });

  it("is never gone to a handle: the request is no session that an agent could fetch", async () => {
    await approvedRequest();
    const polled = await pollSession(REQUEST_ID);
    expect(polled).toEqual({ ok: false, error: "unknown_session" });
  });

  it("takes nothing from an object that was never opened", async () => {
    await approvedRequest();
    const { grant, grant_digest, decision } = (await stateOf(REQUEST_ID)) as ActiveSession;
    expect(await object("ses_CCCCCCCCCCCCCCCCCCCCCC").extend({ grant, grant_digest, decision })).toBe(false);
    expect(await object("ses_CCCCCCCCCCCCCCCCCCCCCC").claimStepUp(REQUEST_ID, END)).toEqual({
      ok: false,
      error: "ended",
    });
  });
});

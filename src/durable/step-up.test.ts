import { env } from "cloudflare:workers";
import { evictDurableObject, reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { digestOf } from "../crypto/hash.ts";
import type { AccessDetail } from "../domain/access.ts";
import { objectName } from "../domain/ids.ts";
import type { SessionRequest } from "../domain/request.ts";
import type { ActiveSession, Decider } from "../domain/session.ts";
import { forgetTenant } from "../tenancy.ts";
import type { Session } from "./session.ts";

const ISSUER = "https://a.test";
const SESSION_ID = "ses_AAAAAAAAAAAAAAAAAAAAAA";
const REQUEST_ID = "ses_BBBBBBBBBBBBBBBBBBBBBB";
const START = 1_800_000_000;
const END = START + 600;
const access = (...actions: string[]): AccessDetail[] => [{ type: "upstream_access", upstream: "api", actions }];
const dana: Decider = { person: "dana", assurance: "link", permitted: true };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
});
afterEach(async () => {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
});

const at = (second: number) => vi.setSystemTime((START + second) * 1000);
const object = (id: string) => env.SESSION.getByName(objectName(ISSUER, id));
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

async function open(id: string, changes: Partial<SessionRequest>): Promise<void> {
  const content: SessionRequest = {
    issuer: ISSUER,
    session_id: id,
    client_id: "bot",
    jkt: "key",
    task: { title: "x" },
    authorization_details: access("read"),
    expires_in: 600,
    requested_at: START,
    ...changes,
  };
  await object(id).open({
    request: content,
    requestDigest: digestOf(content),
    plan: { policy_id: "p", approvers: ["dana"], assurance: "link" },
    setting: { issuer: ISSUER, labels: { agent_name: "Bot", owner_name: "Sam", units: {} }, match_code: "AAA-BBB" },
    channels: [],
  });
}

async function approve(id: string, authorization_details: AccessDetail[]): Promise<void> {
  const narrowing = { authorization_details, expires_at: END };
  const drafted = await object(id).draft(dana, narrowing);
  if (!drafted.ok) throw new Error(drafted.error.reason);
  const approved = await object(id).approve(dana, { ...narrowing, digest: drafted.value.digest });
  if (!approved.ok) throw new Error(approved.error.reason);
}

/** A session that may read, and a request for more that is approved and not carried over yet. */
async function approvedRequest(): Promise<void> {
  await open(SESSION_ID, {});
  await approve(SESSION_ID, access("read"));
  const { grant_digest } = (await stateOf(SESSION_ID)) as ActiveSession;
  await session().claimStepUp(REQUEST_ID, END);
  await open(REQUEST_ID, {
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
    const polled = await request().poll({
      client_id: "bot",
      client_document: undefined,
      proof: { key: "dpop:key:1", rememberUntil: START + 60 },
      jkt: "key",
      jti: "tok_session",
      standing: { allow: ["api:*"] },
    });
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

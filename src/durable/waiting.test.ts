import { env } from "cloudflare:workers";
import { evictDurableObject, reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { digestOf } from "../crypto/hash.ts";
import { objectName } from "../domain/ids.ts";
import type { SessionRequest } from "../domain/request.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { forgetTenant } from "../tenancy.ts";
import type { Session } from "./session.ts";

const ISSUER = "https://a.test";
const SESSION_ID = "ses_CCCCCCCCCCCCCCCCCCCCCC";
const START = 1_800_000_000;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
  const request: SessionRequest = {
    issuer: ISSUER,
    session_id: SESSION_ID,
    client_id: "bot",
    jkt: "key",
    task: { title: "x" },
    authorization_details: [{ type: "upstream_access", upstream: "api", actions: ["read"] }],
    expires_in: 600,
    requested_at: START,
  };
  await session().open({
    request,
    requestDigest: digestOf(request),
    plan: { policy_id: "p", approvers: ["dana"], assurance: "link" },
    setting: { issuer: ISSUER, labels: { agent_name: "Bot", owner_name: "Sam", units: {} }, match_code: "AAA-BBB" },
    channels: [],
  });
});
afterEach(async () => {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
});

const at = (second: number) => vi.setSystemTime((START + second) * 1000);
const session = () => env.SESSION.getByName(objectName(ISSUER, SESSION_ID));
const digest = async () => (await session().inspect())!.state.request_digest;
const deny = async () => session().deny({ person: "dana", assurance: "link", permitted: true }, await digest());

describe("waiting for a decision", () => {
  it("answers at once after the interval, makes an early question wait, and turns away what comes beside it", async () => {
    expect(await session().askTurn()).toBe(true);
    at(2);
    expect(await session().askTurn()).toBe(true);
    const early = session().askTurn();
    expect(await session().askTurn()).toBe(false);
    expect(await session().askTurn()).toBe(false);
    await deny();
    expect(await early).toBe(true);
  });

  it("lets everybody ask once it is decided, or its time was up", async () => {
    await session().askTurn();
    at(REQUEST_LIFETIME_SECONDS);
    const answers = await Promise.all(Array.from({ length: 5 }, () => session().askTurn()));
    expect(answers).toEqual([true, true, true, true, true]);
  });

  it("FF goes on by turns after a clock was set back", async () => {
    at(600);
    expect(await session().askTurn()).toBe(true);
    at(0);
    expect(await session().askTurn()).toBe(true);
  });

  it("wakes whoever waits when a human has decided", async () => {
    const woken = Promise.all([session().untilDecided(), session().untilDecided()]);
    await deny();
    await woken;
    // Nobody waits for what is over.
    await session().untilDecided();
  });

  it("Z10 keeps what was answered when the object is evicted, and asks it no second time", async () => {
    expect(await session().isInputAnswered("approval")).toBe(false);
    await session().answerInput("approval");
    await session().answerInput("approval");
    await evictDurableObject(session());
    expect(await session().isInputAnswered("approval")).toBe(true);
    expect(await session().isInputAnswered("other")).toBe(false);
  });

  it("keeps no answer for what is over", async () => {
    await deny();
    await session().answerInput("approval");
    expect(await session().isInputAnswered("approval")).toBe(false);
  });

  it("writes nothing for a session that was never opened", async () => {
    const guessed = env.SESSION.getByName(objectName(ISSUER, "ses_DDDDDDDDDDDDDDDDDDDDDD"));
    await guessed.untilDecided();
    await guessed.answerInput("approval");
    expect([await guessed.askTurn(), await guessed.isInputAnswered("approval")]).toEqual([true, false]);
    const tables = await runInDurableObject(
      guessed,
      (_: Session, state) =>
        state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'used'").toArray().length,
    );
    expect(tables).toBe(0);
  });
});

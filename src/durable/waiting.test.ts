import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { at, DANA, forgetAll, openSession, sessionObject, stopClock } from "../../test/workerd/session-object.ts";
import type { Session } from "./session.ts";

const SESSION_ID = "ses_CCCCCCCCCCCCCCCCCCCCCC";
const session = () => sessionObject(SESSION_ID);

beforeEach(async () => {
  stopClock();
  await openSession(SESSION_ID);
});
afterEach(forgetAll);

const digest = async () => (await session().inspect())!.state.request_digest;
const deny = async () => session().deny(DANA, await digest());

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
    const guessed = sessionObject("ses_DDDDDDDDDDDDDDDDDDDDDD");
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

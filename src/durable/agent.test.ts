import { env } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { objectName } from "../domain/ids.ts";

const ISSUER = "https://a.test";
const START = 1_800_000_000;
const MINUTE = 60;
const identity = { issuer: ISSUER, client_id: "bot" };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
});
afterEach(async () => {
  vi.useRealTimers();
  await reset();
});

const at = (minute: number) => vi.setSystemTime((START + minute * MINUTE) * 1000);
const agent = () => env.AGENT.getByName(objectName(ISSUER, "bot"));

let asks = 0;
async function ask(lane?: string) {
  const sessionId = `ses_${(asks += 1)}`;
  const command = { identity, oneTime: [], lane, contentDigest: sessionId, sessionId, deadUntil: 0 };
  const admitted = await agent().admit(command);
  return { sessionId, fault: admitted.ok ? undefined : admitted.error };
}
async function denied(lane?: string): Promise<string> {
  const { sessionId } = await ask(lane);
  await agent().settle({ session_id: sessionId, verdict: "denied", units: [] });
  return sessionId;
}

describe("A30 an agent that is denied again and again", () => {
  it("is suspended for an hour from the denial that was one too many", async () => {
    await denied();
    at(50);
    await denied();
    at(59);
    expect((await ask()).fault).toBeUndefined();
    await denied();
    // The first denial is older than an hour now; what it led to is not.
    at(61);
    expect((await ask()).fault).toEqual({ reason: "suspended", retryAfter: 58 * MINUTE });
    at(59 + 60);
    expect((await ask()).fault).toBeUndefined();
  });

  it("is not, where the denials are further apart, or one is told twice", async () => {
    const first = await denied();
    await denied();
    await agent().settle({ session_id: first, verdict: "denied", units: [] });
    at(60);
    await denied();
    expect((await ask()).fault).toBeUndefined();
  });

  it("is let in again by an admin, with a clean slate", async () => {
    for (let n = 0; n < 3; n += 1) await denied();
    expect((await ask()).fault).toMatchObject({ reason: "suspended" });
    expect(await agent().lift(identity)).toBe(true);
    expect(await agent().lift(identity)).toBe(false);
    await denied();
    await denied();
    expect((await ask()).fault).toBeUndefined();
  });

  it("is not suspended for one person by what another denied in a browser", async () => {
    for (let n = 0; n < 3; n += 1) await denied("dana");
    expect((await ask("dana")).fault).toMatchObject({ reason: "suspended" });
    expect((await ask("sam")).fault).toBeUndefined();
    expect((await ask()).fault).toBeUndefined();
  });
});

describe("R09 what is asked for beside a cut-off", () => {
  const admit = (about: { sessionId: string; deadUntil: number; idempotencyKey?: string }) =>
    agent().admit({ identity, oneTime: [], contentDigest: "the same", ...about });

  it("is not taken in its very second, is said so, and taken in the next", async () => {
    expect(await admit({ sessionId: "ses_a", deadUntil: START })).toEqual({
      ok: false,
      error: { reason: "just_cut_off", retryAfter: 1 },
    });
    vi.setSystemTime((START + 1) * 1000);
    expect(await admit({ sessionId: "ses_b", deadUntil: START })).toMatchObject({
      ok: true,
      value: { session_id: "ses_b", repeated: false },
    });
  });

  it("waits for as long as a clock elsewhere is ahead", async () => {
    expect(await admit({ sessionId: "ses_a", deadUntil: START + 3 })).toMatchObject({ error: { retryAfter: 4 } });
  });

  it("never becomes the request that was cut off, also before its session says that it ended", async () => {
    await admit({ sessionId: "ses_a", deadUntil: 0 });
    vi.setSystemTime((START + 1) * 1000);
    const again = await admit({ sessionId: "ses_b", deadUntil: START });
    expect(again).toMatchObject({ ok: true, value: { session_id: "ses_b", repeated: false } });
  });

  it("is one that was not taken under no Idempotency-Key, and under its own the one that died", async () => {
    await admit({ sessionId: "ses_a", deadUntil: 0, idempotencyKey: "one" });
    expect(await admit({ sessionId: "ses_b", deadUntil: START, idempotencyKey: "two" })).toMatchObject({ ok: false });
    vi.setSystemTime((START + 1) * 1000);
    const dead = await admit({ sessionId: "ses_c", deadUntil: START, idempotencyKey: "one" });
    expect(dead).toMatchObject({ ok: true, value: { session_id: "ses_a", requested_at: START } });
    const taken = await admit({ sessionId: "ses_d", deadUntil: START, idempotencyKey: "two" });
    expect(taken).toMatchObject({ ok: true, value: { session_id: "ses_d", requested_at: START + 1 } });
  });

  it("fills no place while it waits for the second to pass", async () => {
    for (let n = 0; n < 20; n += 1) await admit({ sessionId: `ses_${n}`, deadUntil: START });
    vi.setSystemTime((START + 1) * 1000);
    expect(await admit({ sessionId: "ses_x", deadUntil: START })).toMatchObject({ ok: true });
  });
});

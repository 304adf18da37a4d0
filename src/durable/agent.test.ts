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
  const admitted = await agent().admit({ identity, oneTime: [], lane, contentDigest: sessionId, sessionId });
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

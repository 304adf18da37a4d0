import { exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Agent } from "./agent.ts";
import type { PendingSession } from "./pending-session.ts";

const OPENED = { session_id: "ses_1", auth_req_id: "req_1", match_code: "K7", expires_in: 600, interval: 2 };
const ISSUED = { access_token: "t", token_type: "DPoP", expires_in: 60, authorization_details: [] };
const refusal = (error: string, status = 400) => Response.json({ error, error_description: "no" }, { status });

/** A session that waits at a Stint that answers as it is told. */
async function pendingAt(answers: (() => Response | Promise<Response>)[], opened: object = OPENED) {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const polledAt: number[] = [];
  const fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    if (String(url).endsWith("/sessions")) return Response.json(opened, { status: 202 });
    polledAt.push(Date.now());
    const aborted = new Promise<never>((_, fail) => {
      init?.signal?.addEventListener("abort", () => fail(init.signal?.reason as Error));
    });
    const answer = answers.shift() ?? (() => refusal("authorization_pending"));
    return Promise.race([Promise.resolve(answer()), aborted]);
  };
  const key = await exportJWK(privateKey);
  const agent = new Agent({ issuer: "https://stint.test", clientId: "bot", key, fetch });
  const pending = await agent.ask({ task: { title: "x" }, authorization_details: [], expires_in: 60 });
  return { pending, polledAt };
}

/** Waits, and lets the fake clock run meanwhile. */
async function outcome(pending: PendingSession): Promise<unknown> {
  const waited = pending.wait().catch((fault: unknown) => fault);
  const passed = { yet: false };
  void waited.then(() => (passed.yet = true));
  // Signing takes turns of the real event loop, which the fake clock must not overtake.
  while (!passed.yet) {
    await new Promise((next) => setImmediate(next));
    if (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
  }
  return waited;
}

describe("waiting for a human", () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => vi.useRealTimers());

  it("polls at the interval, and slower whenever it is told", async () => {
    const { pending, polledAt } = await pendingAt([
      () => refusal("authorization_pending"),
      () => refusal("slow_down"),
      () => refusal("authorization_pending"),
      () => refusal("temporarily_unavailable", 503),
      () => Response.json(ISSUED),
    ]);
    expect(await outcome(pending)).toMatchObject({ id: "ses_1" });
    expect(polledAt.slice(1).map((at, before) => (at - polledAt[before]!) / 1000)).toEqual([2, 7, 7, 12]);
  });

  it.each([undefined, 0, -1, "soon"])("at five seconds where the interval is %j", async (interval) => {
    const { pending, polledAt } = await pendingAt(
      [() => refusal("authorization_pending"), () => Response.json(ISSUED)],
      { ...OPENED, interval },
    );
    await outcome(pending);
    expect(polledAt[1]! - polledAt[0]!).toBe(5000);
  });

  it.each(["access_denied", "expired_token", "invalid_grant"])("stops at %s", async (error) => {
    const { pending, polledAt } = await pendingAt([() => refusal(error)]);
    expect(await outcome(pending)).toMatchObject({ name: "StintError", code: error, status: 400, message: "no" });
    expect(polledAt).toHaveLength(1);
  });

  it("stops when it is told to", async () => {
    const { pending, polledAt } = await pendingAt([]);
    const stop = new AbortController();
    const waited = pending.wait({ signal: stop.signal, onPending: () => stop.abort(new Error("enough")) });
    await expect(waited).rejects.toThrow("enough");
    expect(polledAt).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stops also while Stint does not answer", async () => {
    const { pending, polledAt } = await pendingAt([() => new Promise<never>(() => undefined)]);
    const stop = new AbortController();
    const waited = pending.wait({ signal: stop.signal });
    while (polledAt.length === 0) await new Promise((next) => setImmediate(next));
    stop.abort(new Error("enough"));
    await expect(waited).rejects.toThrow("enough");
  });

  it("goes on while Stint is away, and ends with the request", async () => {
    const away = [
      () => {
        throw new TypeError("fetch failed");
      },
      () => new Response("<html>", { status: 502 }),
    ];
    const back = await pendingAt([...away, () => Response.json(ISSUED)]);
    expect(await outcome(back.pending)).toMatchObject({ id: "ses_1" });
    const gone = await pendingAt(Array.from({ length: 99 }, () => away).flat());
    expect(await outcome(gone.pending)).toBeInstanceOf(Error);
    expect(gone.polledAt.at(-1)! - gone.polledAt[0]!).toBeGreaterThanOrEqual(600_000);
    expect(gone.polledAt.length).toBeLessThan(40);
  });

  it.each([
    ["bound to no key", { ...ISSUED, token_type: "Bearer" }],
    ["none", { ...ISSUED, access_token: undefined }],
    ["without an end", { ...ISSUED, expires_in: undefined }],
  ])("takes no token that is %s", async (_, answer) => {
    const { pending } = await pendingAt([() => Response.json(answer)]);
    expect(await outcome(pending)).toMatchObject({ code: "invalid_token_answer" });
  });
});

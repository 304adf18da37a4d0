import { describe, expect, it } from "vitest";
import type { Opened, StintClient } from "./agent-client.ts";
import { waitForDecision } from "./wait-for-decision.ts";

const OPENED: Opened = {
  session_id: "ses_1",
  auth_req_id: "req_1",
  expires_in: 600,
  interval: 0,
  match_code: "ABC-DEF",
};
const PENDING = { status: 400, body: { error: "authorization_pending" } };
const AWAY = "away";
const never = new AbortController().signal;

/** A broker that answers polls one after the other, or is away. */
function broker(...answers: readonly ({ status: number; body: object } | typeof AWAY)[]): StintClient {
  const left = [...answers];
  const poll = async (): Promise<unknown> => {
    const answer = left.shift();
    if (answer === undefined) throw new Error("one poll too many");
    if (answer === AWAY) throw new TypeError("fetch failed");
    return answer;
  };
  return { issuer: "https://stint.test", poll } as unknown as StintClient;
}

describe("waiting for a decision", () => {
  it("outlives a broker that is away for a moment", async () => {
    const body = {
      session_id: "ses_1",
      access_token: "t",
      expires_in: 60,
      authorization_details: [{ type: "upstream_access", upstream: "github" }],
    };
    const client = broker(PENDING, AWAY, { status: 503, body: {} }, PENDING, { status: 200, body });
    const decision = await waitForDecision(client, OPENED, never);
    expect(decision).toMatchObject({ kind: "approved", session: { sessionId: "ses_1", upstreams: ["github"] } });
  });

  it("gives a broker up that is away for longer than the request is open", async () => {
    const decision = await waitForDecision(broker(AWAY), { ...OPENED, expires_in: 0 }, never);
    expect(decision).toEqual({
      kind: "refused",
      why: expect.stringContaining("no broker answers at https://stint.test"),
    });
  });

  it.each([
    [{ error: "access_denied" }, { kind: "denied", comment: undefined }],
    [
      { error: "access_denied", comment: "No." },
      { kind: "denied", comment: "No." },
    ],
    [
      { error: "access_denied", comment: 5 },
      { kind: "denied", comment: undefined },
    ],
    [{ error: "expired_token" }, { kind: "expired" }],
    [
      { error: "invalid_grant", error_description: "used" },
      { kind: "refused", why: "invalid_grant: used" },
    ],
    [{ text: "<html>" }, { kind: "refused", why: "the broker answered 400" }],
  ])("ends at %j", async (body, decision) => {
    expect(await waitForDecision(broker(PENDING, { status: 400, body }), OPENED, never)).toEqual(decision);
  });

  it("polls no more once it was given up", async () => {
    const giveUp = new AbortController();
    giveUp.abort();
    await expect(waitForDecision(broker(), OPENED, giveUp.signal)).rejects.toThrow("aborted");
  });
});

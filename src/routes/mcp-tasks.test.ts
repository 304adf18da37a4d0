import { describe, expect, it } from "vitest";
import type { ApprovalPlan } from "../domain/policy.ts";
import type { SessionRequest } from "../domain/request.ts";
import {
  asOf,
  openSession,
  POLL_INTERVAL_SECONDS,
  REQUEST_LIFETIME_SECONDS,
  revoke,
  type SessionState,
} from "../domain/session.ts";
import { taskOf } from "./mcp-tasks.ts";

const START = 1_800_000_000;
const request: SessionRequest = {
  issuer: "https://a.test",
  session_id: "ses_AAAAAAAAAAAAAAAAAAAAAA",
  client_id: "bot",
  task: { title: "x" },
  authorization_details: [],
  expires_in: 600,
  requested_at: START,
};
const plan: ApprovalPlan = { policy_id: "p", approvers: ["dana"], assurance: "link" };
const waiting = openSession(request, "digest", plan);

const taskIn = (state: SessionState, looking?: "asks") =>
  taskOf(
    {
      state,
      setting: {
        issuer: request.issuer,
        labels: { agent_name: "Bot", owner_name: "Sam", units: {} },
        match_code: "AAA-BBB",
      },
      leases: [],
      usage: { tokens_minted: 0, calls: 0, refusals: 0, upstreams: [] } as never,
      receipt: undefined,
    },
    request.issuer,
    looking,
  );

describe("a session as a task", () => {
  it("waits, and is kept for longer than the request", () => {
    const { progress, message, createdAt, keptUntil, pollIntervalSeconds } = taskIn(waiting);
    expect([progress, message]).toEqual([{ status: "working" }, expect.stringContaining("AAA-BBB")]);
    expect(pollIntervalSeconds).toBe(POLL_INTERVAL_SECONDS);
    expect(keptUntil! - createdAt).toBeGreaterThan(REQUEST_LIFETIME_SECONDS);
  });

  it("asks for the client's human where that is to be", () => {
    expect(taskIn(waiting, "asks").progress).toMatchObject({
      status: "input_required",
      inputRequests: { approval: { params: { mode: "url", url: "https://a.test/inbox" } } },
    });
  });

  it("has completed with an error that says so where nobody decided in time", () => {
    const late = asOf(waiting, START + REQUEST_LIFETIME_SECONDS);
    const { progress, updatedAt } = taskIn(late);
    expect(updatedAt).toBe(START + REQUEST_LIFETIME_SECONDS);
    expect(progress).toMatchObject({ status: "completed", result: { isError: true } });
    expect(JSON.stringify(progress)).toContain("nobody decided in time");
  });

  it("has completed with an error where an operator took the request away", () => {
    const revoked = revoke(waiting, { kind: "operator" }, "no", START + 5);
    if (!revoked.ok) throw new Error(revoked.error);
    expect(taskIn(revoked.value, "asks").progress).toMatchObject({ status: "completed", result: { isError: true } });
  });
});

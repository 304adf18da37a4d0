import { describe, expect, it } from "vitest";
import type { AccessDetail } from "./access.ts";
import type { Grant } from "./grant.ts";
import type { Limits } from "./limits.ts";
import type { ActiveSession, Decision } from "./session.ts";
import { allApprovals, claimStepUp, extend, settleStepUp, type Granted } from "./step-up.ts";

const NOW = 1_800_000_000;
const END = NOW + 600;
const access = (...actions: string[]): AccessDetail[] => [{ type: "upstream_access", upstream: "api", actions }];
const decision = (person: string, digest: string): Decision => ({
  verdict: "approved",
  person,
  assurance: "link",
  digest,
  decided_at: NOW,
});
const grant: Grant = {
  issuer: "https://a.test",
  session_id: "ses_1",
  request_digest: "r1",
  client_id: "bot",
  jkt: "key",
  sub: "bot",
  task: { title: "x" },
  authorization_details: access("read"),
  expires_at: END,
};
const active: ActiveSession = {
  status: "active",
  request: {
    issuer: grant.issuer,
    session_id: "ses_1",
    client_id: "bot",
    task: grant.task,
    authorization_details: access("read"),
    expires_in: 600,
    requested_at: NOW,
  },
  request_digest: "r1",
  plan: { policy_id: "p", approvers: ["dana"], assurance: "link" },
  request_expires_at: NOW + 900,
  grant,
  grant_digest: "d1",
  decision: decision("dana", "d1"),
  first_token: { jti: "tok_1", minted_at: NOW },
};
const more = (changes: Partial<Grant> = {}): Granted => ({
  grant: {
    ...grant,
    request_digest: "r2",
    extends: { request_id: "ses_2", grant_digest: "d1" },
    authorization_details: access("read", "write"),
    ...changes,
  },
  grant_digest: "d2",
  decision: decision("kim", "d2"),
});

describe("limits, when more is granted", () => {
  const limited = (limits: Limits | undefined, ...actions: string[]): AccessDetail[] => [
    { type: "upstream_access", upstream: "api", actions, ...(limits === undefined ? {} : { limits }) },
  ];
  const under = (limits: Limits | undefined): ActiveSession => ({
    ...active,
    grant: { ...grant, authorization_details: limited(limits, "read") },
  });
  const elsewhere: AccessDetail = { type: "upstream_access", upstream: "other", actions: ["read"] };
  const extended = (before: Limits | undefined, after: AccessDetail[]) =>
    extend(under(before), more({ authorization_details: after }), [], NOW).ok;

  it.each<[string, Limits | undefined, Limits | undefined, boolean]>([
    ["stay", { calls: 3 }, { calls: 3 }, true],
    ["become lower", { calls: 3 }, { calls: 2 }, true],
    ["come where there was none", undefined, { calls: 9 }, true],
    ["are added beside others", { calls: 3 }, { calls: 3, bytes: 1 }, true],
    ["are never raised", { calls: 3 }, { calls: 4 }, false],
    ["are never dropped", { calls: 3 }, undefined, false],
    ["are never exchanged for another", { calls: 3 }, { writes: 1 }, false],
  ])("%s", (_, before, after, fits) => {
    expect(extended(before, limited(after, "read", "write"))).toBe(fits);
  });

  it("are those of each upstream: another that comes on top is free to have none", () => {
    expect(extended({ calls: 3 }, [...limited({ calls: 3 }, "read"), elsewhere])).toBe(true);
    expect(extended({ calls: 3 }, [...limited(undefined, "read"), elsewhere])).toBe(false);
  });
});

describe("a second grant in the place of the first", () => {
  it("keeps the session, its end and its first token, and what was decided before", () => {
    const claimed = claimStepUp(active, "ses_2", NOW + 60, NOW);
    if (!claimed.ok) throw new Error(claimed.error);
    const extended = extend(claimed.value, more(), ["lease_1"], NOW + 1);
    if (!extended.ok) throw new Error(extended.error);
    expect(extended.value).toMatchObject({
      grant: { expires_at: END, authorization_details: access("read", "write") },
      grant_digest: "d2",
      first_token: active.first_token,
      earlier: [{ grant, grant_digest: "d1", decision: { person: "dana" } }],
      superseded_leases: ["lease_1"],
      step_up: { request_id: "ses_2", status: "approved" },
    });
    expect(allApprovals(extended.value).map(({ person }) => person)).toEqual(["dana", "kim"]);
  });

  it.each<[string, Partial<Grant>]>([
    ["ends later", { expires_at: END + 1 }],
    ["ends earlier", { expires_at: END - 1 }],
    ["takes something away", { authorization_details: access("write") }],
    ["is another session's", { session_id: "ses_9" }],
    ["is another agent's", { client_id: "other" }],
    ["is for another key", { jkt: "other" }],
    ["is for no key", { jkt: undefined }],
    ["is for another person", { sub: "dana" }],
    ["is another issuer's", { issuer: "https://b.test" }],
    ["was shown on top of another grant", { extends: { request_id: "ses_2", grant_digest: "d0" } }],
    ["was no request for more", { extends: undefined }],
  ])("is refused where it %s", (_, changes) => {
    expect(extend(active, more(changes), [], NOW)).toEqual({ ok: false, error: "does_not_fit" });
  });

  it("is refused once the session's time is up, and a second one after the first", () => {
    expect(extend(active, more(), [], END)).toEqual({ ok: false, error: "ended" });
    const extended = extend(active, more(), [], NOW);
    expect(extended.ok && extend(extended.value, more(), [], NOW)).toEqual({ ok: false, error: "does_not_fit" });
  });
});

describe("what a session waits for", () => {
  it("is one request at a time, until it is decided or its time is over", () => {
    const waiting = claimStepUp(active, "ses_2", NOW + 60, NOW);
    if (!waiting.ok) throw new Error(waiting.error);
    expect(claimStepUp(waiting.value, "ses_2", NOW + 60, NOW)).toMatchObject({ ok: true });
    expect(claimStepUp(waiting.value, "ses_3", NOW + 60, NOW + 59)).toEqual({ ok: false, error: "step_up_pending" });
    expect(claimStepUp(waiting.value, "ses_3", NOW + 90, NOW + 60)).toMatchObject({ ok: true });
    const denied = settleStepUp(waiting.value, "ses_2", "denied", "not now");
    expect(denied.step_up).toMatchObject({ status: "denied", comment: "not now" });
    expect(claimStepUp(denied, "ses_3", NOW + 60, NOW)).toMatchObject({ ok: true });
    expect(claimStepUp(active, "ses_2", NOW + 60, END)).toEqual({ ok: false, error: "ended" });
  });

  it("is not settled by the news of another, nor twice", () => {
    const waiting = claimStepUp(active, "ses_2", NOW + 60, NOW);
    if (!waiting.ok) throw new Error(waiting.error);
    expect(settleStepUp(waiting.value, "ses_9", "denied", undefined)).toBe(waiting.value);
    const denied = settleStepUp(waiting.value, "ses_2", "denied", undefined);
    expect(settleStepUp(denied, "ses_2", "approved", undefined)).toBe(denied);
  });
});

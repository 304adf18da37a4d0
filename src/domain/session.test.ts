import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import type { AccessDetail } from "./access.ts";
import {
  approve,
  asOf,
  CODE_LIFETIME_SECONDS,
  deny,
  finish,
  issueCode,
  openSession,
  redeem,
  redeemCode,
  REQUEST_LIFETIME_SECONDS,
  revoke,
  type Decider,
  type SessionState,
} from "./session.ts";
import type { SessionRequest } from "./request.ts";

const NOW = 1_800_000_000;
const details: AccessDetail[] = [
  { type: "upstream_access", upstream: "github", actions: ["issues:read", "issues:write"], locations: ["acme/api"] },
];
const request: SessionRequest = {
  issuer: "https://stint.test",
  session_id: "ses_x",
  client_id: "bot",
  jkt: "key",
  task: { title: "Triage" },
  authorization_details: details,
  expires_in: 600,
  requested_at: NOW,
};
const pending = openSession(request, "digest", { policy_id: "p", approvers: ["dana"], assurance: "link" });
const dana: Decider = { person: "dana", assurance: "link", permitted: true };
const digestOf = canonicalJson;

function approved(now = NOW, seconds = 600): SessionState {
  const seen = { authorization_details: details, expires_at: now + seconds };
  const grant = {
    issuer: request.issuer,
    session_id: request.session_id,
    request_digest: "digest",
    client_id: "bot",
    jkt: "key",
    sub: "bot",
    task: request.task,
    ...seen,
  };
  const result = approve(pending, dana, { ...seen, digest: digestOf(grant) }, digestOf, now);
  if (!result.ok) throw new Error(result.error.reason);
  return result.value;
}

describe("a session", () => {
  it("becomes active by a decision over exactly the grant that was shown", () => {
    expect(approved()).toMatchObject({
      status: "active",
      decision: { verdict: "approved", person: "dana", assurance: "link" },
    });
  });

  it.each([
    [
      "another digest",
      { authorization_details: details, expires_at: NOW + 600, digest: "other" },
      dana,
      "digest_mismatch",
    ],
    [
      "more than was asked",
      {
        authorization_details: [{ ...details[0], actions: ["contents:write"] } as AccessDetail],
        expires_at: NOW + 600,
        digest: "",
      },
      dana,
      "wider_than_requested",
    ],
    [
      "longer than was asked",
      { authorization_details: details, expires_at: NOW + 601, digest: "" },
      dana,
      "ends_too_late",
    ],
    ["nothing", { authorization_details: [], expires_at: NOW + 600, digest: "" }, dana, "nothing_granted"],
    ["an end that has passed", { authorization_details: details, expires_at: NOW, digest: "" }, dana, "ends_too_early"],
    [
      "somebody else",
      { authorization_details: details, expires_at: NOW + 600, digest: "" },
      { ...dana, person: "eve" },
      "not_an_approver",
    ],
    [
      "somebody whom today's policy no longer lets decide",
      { authorization_details: details, expires_at: NOW + 600, digest: "" },
      { ...dana, permitted: false },
      "not_an_approver",
    ],
  ])("is not approved with %s", (_, seen, decider, reason) => {
    expect(approve(pending, decider, seen, digestOf, NOW)).toMatchObject({ ok: false, error: { reason } });
  });

  it("is not approved below the assurance that the policy demands", () => {
    const strict = openSession(request, "digest", { policy_id: "p", approvers: ["dana"], assurance: "passkey" });
    expect(
      approve(strict, dana, { authorization_details: details, expires_at: NOW + 600, digest: "" }, digestOf, NOW),
    ).toMatchObject({ error: { reason: "assurance_too_low" } });
    expect(deny(strict, dana, "digest", NOW).ok).toBe(true);
  });

  it("can be decided until, and not at, the second at which the request expires", () => {
    const last = NOW + REQUEST_LIFETIME_SECONDS;
    expect(deny(pending, dana, "digest", last - 1).ok).toBe(true);
    expect(deny(pending, dana, "digest", last)).toMatchObject({ error: { reason: "request_expired" } });
  });

  it("is redeemed once", () => {
    const redeemed = redeem(approved(), "tok_1", NOW + 1);
    expect(redeemed.ok && redeem(redeemed.value, "tok_2", NOW + 2)).toEqual({ ok: false, error: "already_redeemed" });
  });

  it.each([
    ["while it waits", pending, "pending"],
    ["after a denial", asOf(deniedState(), NOW), "denied"],
    ["after the request expired", asOf(pending, NOW + REQUEST_LIFETIME_SECONDS), "expired"],
  ])("is not redeemed %s", (_, state, fault) => {
    expect(redeem(state, "tok_1", NOW)).toEqual({ ok: false, error: fault });
  });

  it("H05 is redeemed by its code for a minute after that was issued, not before, and once", () => {
    expect(redeemCode(approved(), "tok_1", NOW + 1)).toEqual({ ok: false, error: "expired" });
    const issued = issueCode(approved(), NOW + 5);
    if (!issued.ok) throw new Error(issued.error);
    const again = issueCode(issued.value, NOW + 50);
    expect(again).toMatchObject({ ok: true, value: { code_issued_at: NOW + 5 } });
    const last = NOW + 5 + CODE_LIFETIME_SECONDS;
    expect(redeemCode(issued.value, "tok_1", last)).toEqual({ ok: false, error: "expired" });
    const redeemed = redeemCode(issued.value, "tok_1", last - 1);
    expect(redeemed.ok && redeemCode(redeemed.value, "tok_2", last - 1)).toEqual({
      ok: false,
      error: "already_redeemed",
    });
    expect(redeemed.ok && issueCode(redeemed.value, NOW + 7)).toEqual({ ok: false, error: "already_redeemed" });
    expect(issueCode(pending, NOW)).toEqual({ ok: false, error: "pending" });
  });

  it("has ended at the second of its end, whether or not anybody wrote that down", () => {
    const active = approved();
    expect(asOf(active, NOW + 599).status).toBe("active");
    expect(asOf(active, NOW + 600)).toMatchObject({ status: "ended", how: "expired", ended_at: NOW + 600 });
  });

  it("never comes back and never ends later, whatever is tried in whatever order", () => {
    const steps = fc.array(
      fc.tuple(
        fc.constantFrom("approve", "deny", "redeem", "finish", "revoke", "tick"),
        fc.integer({ min: 0, max: 400 }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        let state: SessionState = pending;
        let now = NOW;
        let latestEnd = Infinity;
        let ended = false;
        for (const [step, wait] of list) {
          now += wait;
          const next = take(state, step, now);
          if (next !== undefined) state = next;
          const current = asOf(state, now);
          if (ended) expect(current.status).toBe("ended");
          ended ||= current.status === "ended";
          if (current.status !== "pending" && current.grant !== undefined) {
            expect(current.grant.expires_at).toBeLessThanOrEqual(latestEnd);
            latestEnd = current.grant.expires_at;
            expect(latestEnd).toBeLessThanOrEqual(current.decision!.decided_at + request.expires_in);
          }
        }
      }),
    );
  });
});

function deniedState(): SessionState {
  const result = deny(pending, dana, "digest", NOW);
  if (!result.ok) throw new Error(result.error.reason);
  return result.value;
}

function take(state: SessionState, step: string, now: number): SessionState | undefined {
  const seen = { authorization_details: details, expires_at: now + 600 };
  const grant = {
    issuer: request.issuer,
    session_id: "ses_x",
    request_digest: "digest",
    client_id: "bot",
    jkt: "key",
    sub: "bot",
    task: request.task,
    ...seen,
  };
  const result = {
    approve: () => approve(state, dana, { ...seen, digest: digestOf(grant) }, digestOf, now),
    deny: () => deny(state, dana, "digest", now),
    redeem: () => redeem(state, "tok_1", now),
    finish: () => finish(state, "bot", now),
    revoke: () => revoke(state, { kind: "operator" }, undefined, now),
    tick: () => ({ ok: false as const }),
  }[step]!();
  return result.ok ? result.value : undefined;
}

import { env } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { vi } from "vitest";
import { digestOf } from "../../src/crypto/hash.ts";
import type { AccessDetail } from "../../src/domain/access.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { SessionRequest } from "../../src/domain/request.ts";
import type { Decider } from "../../src/domain/session.ts";
import type { OneTime } from "../../src/durable/one-time.ts";
import { forgetTenant } from "../../src/tenancy.ts";

/** One session in a real object, asked directly: its tenant was never given a document. */
export const ISSUER = "https://a.test";
/** Epoch seconds at which the clock of {@link stopClock} stands. */
export const START = 1_800_000_000;
export const DANA: Decider = { person: "dana", assurance: "link", permitted: true };
/** What the policies in force let the agent have. */
export const STANDING = { allow: ["api:read"] };
const SESSION_SECONDS = 600;

export function access(...actions: string[]): AccessDetail[] {
  return [{ type: "upstream_access", upstream: "api", actions }];
}

export function sessionObject(id: string) {
  return env.SESSION.getByName(objectName(ISSUER, id));
}

/** What an agent asks for now, of which {@link openSession} makes a session. */
export function requestOf(id: string, changes: Partial<SessionRequest> = {}): SessionRequest {
  return {
    issuer: ISSUER,
    session_id: id,
    client_id: "bot",
    jkt: "key",
    task: { title: "x" },
    authorization_details: access("read"),
    expires_in: SESSION_SECONDS,
    requested_at: nowSeconds(),
    ...changes,
  };
}

/** A request that waits for Dana, who is told on no channel. */
export async function openSession(id: string, changes: Partial<SessionRequest> = {}): Promise<SessionRequest> {
  const request = requestOf(id, changes);
  await sessionObject(id).open({
    request,
    requestDigest: digestOf(request),
    plan: { policy_id: "p", approvers: [DANA.person], assurance: "link" },
    setting: { issuer: ISSUER, labels: { agent_name: "Bot", owner_name: "Sam", units: {} }, match_code: "AAA-BBB" },
    channels: [],
  });
  return request;
}

/** Dana approves; what they may not, throws. */
export async function approveSession(id: string, details: AccessDetail[], expiresAt: number): Promise<void> {
  const narrowing = { authorization_details: details, expires_at: expiresAt };
  const drafted = await sessionObject(id).draft(DANA, narrowing);
  if (!drafted.ok) throw new Error(drafted.error.reason);
  const approved = await sessionObject(id).approve(DANA, { ...narrowing, digest: drafted.value.digest });
  if (!approved.ok) throw new Error(approved.error.reason);
}

/** The agent asks whether it may begin; the token it gets is `tok_session`. */
export function pollSession(id: string, jti = "tok_session") {
  return sessionObject(id).poll({
    client_id: "bot",
    client_document: undefined,
    proof: freshProof(),
    jkt: "key",
    jti,
    standing: STANDING,
  });
}

/** A session at work, whose token is `tok_session`. */
export async function activeSession(id: string, details = access("read"), seconds = SESSION_SECONDS): Promise<void> {
  await openSession(id, { authorization_details: details });
  await approveSession(id, details, nowSeconds() + seconds);
  const redeemed = await pollSession(id);
  if (!redeemed.ok) throw new Error(redeemed.error);
}

let proofs = 0;

/** A proof that nobody has seen. */
export function freshProof(): OneTime {
  return { key: `dpop:key:${(proofs += 1)}`, rememberUntil: nowSeconds() + 60 };
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** The clock stands at {@link START}, until {@link at} sets it. */
export function stopClock(): void {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
}

/** Sets the clock to this many seconds after {@link START}. */
export function at(second: number): void {
  vi.setSystemTime((START + second) * 1000);
}

/** After each test: nothing is left of it. */
export async function forgetAll(): Promise<void> {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
}

import { Buffer } from "node:buffer";
import { env, exports } from "cloudflare:workers";
import { reset, runInDurableObject } from "cloudflare:test";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { expect, vi } from "vitest";
import { newProofKey, StintClient, type Opened } from "../../cli/agent-client.ts";
import { adminToken } from "../../src/crypto/admin-token.ts";
import type { AccessDetail } from "../../src/domain/access.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { Decider } from "../../src/domain/session.ts";
import type { Session } from "../../src/durable/session.ts";
import { forgetTenant, loadTenant } from "../../src/tenancy.ts";
import { plainTenant } from "../support/plain-tenant.ts";

/** Where a broker inside the test's own workerd is asked: its objects can be reached into, and its clock set. */
export const ISSUERS = ["https://a.test", "https://b.test"] as const;
export const [ISSUER] = ISSUERS;
/** Epoch seconds at which each world begins. */
export const START = 1_800_000_000;
export const PROXY = `${ISSUER}/proxy/api`;

const AGENTS = 12;
const READ: AccessDetail = { type: "upstream_access", upstream: "api", actions: ["read"] };
const DANA: Decider = { person: "dana", assurance: "link", permitted: true };

let key: Promise<{ privateJwk: JWK; publicJwk: JWK }> | undefined;
const agentKey = () =>
  (key ??= generateKeyPair("ES256", { extractable: true }).then(async (pair) => ({
    privateJwk: await exportJWK(pair.privateKey),
    publicJwk: await exportJWK(pair.publicKey),
  })));

/** The tenant of every world: many agents of one key, one upstream, one approver. */
export async function tenantDocument(issuer: string = ISSUER): Promise<Record<string, unknown>> {
  const { publicJwk } = await agentKey();
  const ids = Array.from({ length: AGENTS }, (_, at) => `bot-${at + 1}`);
  return plainTenant({
    issuer,
    agents: ids,
    publicJwk,
    upstreamUrl: "https://api.acme.com",
    keySecret: "API_KEY",
  });
}

/** Begins a world: the clock stands still, and requests to its issuers go to the worker under test. */
export async function beginWorld(answer: (request: Request) => Promise<Response> = toWorker): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
  lines.length = 0;
  sent.length = 0;
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  answerWith(answer);
  await applyDocument(await tenantDocument());
}

/** What was logged in this world. */
export const lines: string[] = [];

/** Ends a world, in which no token may have been logged. */
export async function endWorld(): Promise<void> {
  expect(lines.filter((line) => line.includes("eyJ"))).toEqual([]);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
  for (const issuer of ISSUERS) forgetTenant(issuer);
  await reset();
}

/** Lets requests of agents be answered by somebody else, such as a worker whose objects do not answer. */
export function answerWith(answer: (request: Request) => Promise<Response>): void {
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const { origin, host } = new URL(input);
    const headers = new Headers(init.headers);
    if (!ISSUERS.some((issuer) => issuer === origin)) {
      sent.push(input);
      return Response.json({ ok: true });
    }
    headers.set("host", host);
    return answer(new Request(input, { ...init, headers }));
  });
}

/** What left the broker in this world; every upstream answers that all is well. */
export const sent: string[] = [];

function toWorker(request: Request): Promise<Response> {
  return exports.default.fetch(request);
}

export async function applyDocument(document: Record<string, unknown>, issuer: string = ISSUER): Promise<void> {
  await loadTenant(env, issuer);
  await env.TENANT.getByName(objectName(issuer)).apply(canonicalJson(document as never), "digest", 3600);
  forgetTenant(issuer);
}

/** Sets the clock to this many seconds after the world began. */
export function at(second: number): void {
  vi.setSystemTime((START + second) * 1000);
}

/** A client with the key that all clients here have. */
export async function client(clientId: string, issuer: string = ISSUER): Promise<StintClient> {
  return new StintClient(issuer, clientId, (await agentKey()).privateJwk, await newProofKey());
}

export function agent(number: number, issuer: string = ISSUER): Promise<StintClient> {
  return client(`bot-${number}`, issuer);
}

/** The same client with the same keys, at another issuer. */
export async function movedTo(issuer: string, { clientId, proofKey }: StintClient): Promise<StintClient> {
  return new StintClient(issuer, clientId, (await agentKey()).privateJwk, proofKey);
}

export const ASK = { task: { title: "A task" }, authorization_details: [READ], expires_in: 600 };

export const sessionObject = (id: string, issuer: string = ISSUER) => env.SESSION.getByName(objectName(issuer, id));

/** Lets the approver approve all that was asked for, for as long as it was. */
export async function approve({ session_id }: Opened, seconds = 600, issuer: string = ISSUER): Promise<void> {
  const narrowing = { authorization_details: [READ], expires_at: Math.floor(Date.now() / 1000) + seconds };
  const session = sessionObject(session_id, issuer);
  const drafted = await session.draft(DANA, narrowing);
  if (!drafted.ok) throw new Error(drafted.error.reason);
  const approved = await session.approve(DANA, { ...narrowing, digest: drafted.value.digest });
  if (!approved.ok) throw new Error(approved.error.reason);
}

/** An agent at work. */
export interface AtWork {
  readonly bot: StintClient;
  readonly opened: Opened;
  readonly sessionToken: string;
  readonly proxyToken: string;
}

export async function atWork(number: number, issuer: string = ISSUER): Promise<AtWork> {
  const bot = await agent(number, issuer);
  const { body: opened } = await bot.ask(ASK);
  await approve(opened, 600, issuer);
  const sessionToken = String((await bot.poll(opened.auth_req_id)).body["access_token"]);
  const proxyToken = String((await bot.exchange(sessionToken, `${issuer}/proxy/api`)).body["access_token"]);
  return { bot, opened, sessionToken, proxyToken };
}

export async function adminAuthorization(issuer: string = ISSUER): Promise<string> {
  const { config } = await loadTenant(env, issuer);
  return `Bearer ${adminToken(config.adminKey, issuer)}`;
}

/** Asks the admin API of a tenant. */
export async function admin(method: string, path: string, body?: object, issuer: string = ISSUER): Promise<Response> {
  return fetch(issuer + path, {
    method,
    headers: { authorization: await adminAuthorization(issuer), "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Runs SQL in a session's own storage, as its disk or another release would have left it. */
export function inStorage(id: string, sql: string, ...values: SqlStorageValue[]): Promise<Record<string, unknown>[]> {
  return runInDurableObject(sessionObject(id), (_: Session, state) => state.storage.sql.exec(sql, ...values).toArray());
}

/** Lets a session do what is due. */
export function tick(id: string): Promise<void> {
  return runInDurableObject(sessionObject(id), (session: Session) => session.alarm());
}

/** The types of a session's own events, in order. */
export async function eventsOf(id: string): Promise<string[]> {
  return (await inStorage(id, "SELECT type FROM event ORDER BY seq")).map(({ type }) => String(type));
}

export function claimsOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}

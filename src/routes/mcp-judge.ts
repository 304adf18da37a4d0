import { limitsOf, serverPlace, toolUnit, unitsOf, type AccessDetail, type AccessUnit } from "../domain/access.ts";
import type { BodyCall } from "../domain/body-calls.ts";
import type { CallsFault } from "../domain/judged-calls.ts";
import { tightest, type Limits } from "../domain/limits.ts";
import { allowsNow, limitsNow } from "../domain/policy.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { judgeServerRequest, toolsOf, type ServerRequest } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import { readJson } from "../protocol/body.ts";
import { ExpectedAnswers } from "../protocol/expected-answers.ts";
import { isSessionToken } from "../protocol/access-token.ts";
import { scopeError, type Challenge } from "../protocol/dpop.ts";
import { readMcpRequest } from "../protocol/mcp-request.ts";
import { deny, invalidRequest, type WireError } from "../protocol/wire-error.ts";
import { NO_SUCH_HANDLE, withOwnHandle } from "./bound-handle.ts";
import type { Handling } from "./http.ts";
import { refuseUnaccepted } from "./mcp-definitions.ts";
import { challengeOf, type Bearing } from "./proof.ts";

/** The largest request that is read to be judged, in bytes. */
const MAX_REQUEST_BYTES = 256 * 1024;

/** A request that the token and today's policy cover, whatever the session says. */
export interface JudgedServerCall extends ServerRequest {
  /** Of the token and of today's policy. */
  readonly limits: Limits;
  readonly headers: Headers;
  /** What the body says, as it says it. */
  readonly said: readonly BodyCall[];
  /** What the token holds; undefined for the session's own, of which the session knows better. */
  readonly held: readonly AccessDetail[] | undefined;
  /** What is told whoever may not, with all that the request needs. */
  readonly challenge: Challenge;
  /** What is sent is this, to the byte. */
  readonly body: Uint8Array;
  readonly answers: ExpectedAnswers;
}

/** Why a request does not pass, for the caller and for the audit log. */
interface RefusedServerCall {
  readonly error: WireError;
  readonly reason: string;
  readonly unit?: string | undefined;
}

/** Decides a request to a server by all that it says. */
export async function judgeServerCall(
  c: Handling,
  server: Server,
  { token }: Bearing,
  audience: string,
): Promise<Result<JudgedServerCall, RefusedServerCall>> {
  const { tenant, issuer } = c.var.tenant;
  const unaccepted = refuseUnaccepted(c, server);
  if (unaccepted !== undefined) return err(unaccepted);
  const headers = withOwnHandle(c, server.id, token);
  if (headers === undefined) return err({ reason: "foreign_handle", error: NO_SUCH_HANDLE });
  const stated = new Set(token.authorization_details.flatMap(unitsOf));
  // What the session's own token states is what was granted at first: whether there is more by now, the session says.
  const held = isSessionToken(token, issuer) ? undefined : token.authorization_details;
  const mayCall = (unit: AccessUnit): boolean =>
    (held === undefined || stated.has(unit)) && allowsNow(tenant, token.agent, unit);
  // What ends a handle says so in its head. A body of it was judged by nobody, and stays here.
  const said = c.req.method === "POST" ? await readCalls(c) : ok(NOTHING_SAID);
  if (!said.ok) return err({ reason: "unreadable_body", error: said.error });
  const judged = judgeServerRequest(server, said.value.calls, mayCall);
  if (!judged.ok) return err(refusalOf(c, server, said.value.calls, judged.error, audience));
  const { calls } = judged.value;
  const usable = toolsOf(server).filter(mayCall);
  const connecting = usable.some((unit) => stated.has(unit)) ? usable.filter((unit) => stated.has(unit)) : usable;
  const units = calls.length === 0 ? connecting : calls.map(({ unit }) => unit);
  const limits = tightest([
    limitsOf(token.authorization_details, serverPlace(server.id)),
    ...units.map((unit) => limitsNow(tenant, token.agent, unit)),
  ]);
  const challenge = challengeFor(c, server, said.value.calls, audience);
  const { body, answers } = said.value;
  return ok({ ...judged.value, limits, headers, held, challenge, said: said.value.calls, body, answers });
}

/** What a body says, and may be answered. */
interface Said extends Pick<JudgedServerCall, "body" | "answers"> {
  readonly calls: readonly BodyCall[];
}

const NOTHING_SAID: Said = { calls: [], body: new Uint8Array(), answers: new ExpectedAnswers([]) };

async function readCalls(c: Handling): Promise<Result<Said, WireError>> {
  const read = await readJson(c.req.raw, MAX_REQUEST_BYTES);
  if (!read.ok) return read;
  const { value, text } = read.value;
  const calls = readMcpRequest(value, c.req.raw.headers);
  if (!calls.ok) return err(invalidRequest(calls.error));
  return ok({ calls: calls.value, body: new TextEncoder().encode(text), answers: new ExpectedAnswers(value) });
}

/** A tool that was not granted is answered with the whole set that the request needs, in one challenge. */
function refusalOf(
  c: Handling,
  server: Server,
  calls: readonly BodyCall[],
  fault: CallsFault,
  audience: string,
): RefusedServerCall {
  if (fault.reason === "unknown_operation") return { reason: fault.reason, error: UNKNOWN };
  const error = scopeError(NOT_HELD, challengeFor(c, server, calls, audience));
  return { reason: fault.reason, unit: fault.unit, error };
}

/** Names the whole set that a request needs; every tool where it calls none. */
function challengeFor(c: Handling, server: Server, calls: readonly BodyCall[], audience: string): Challenge {
  const called = calls.flatMap((call) => (call.kind === "tool" ? toolUnit(server.id, call.tool) : []));
  const needed = toolsOf(server).filter((unit) => called.length === 0 || called.includes(unit));
  return { ...challengeOf(c, audience), scope: needed.join(" ") };
}

const UNKNOWN = deny(
  "unknown_operation",
  "that call, or one in it, is neither a tool of the server's registration, by its exact name, nor a method that lists",
);
const NOT_HELD =
  "this token does not hold every tool in this request, or the trust policy allows one no more; if the session was granted more since, exchange its token again; else ask for them, which a human must approve";

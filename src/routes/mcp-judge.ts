import { limitsOf, serverPlace, toolUnit, unitsOf, type AccessUnit } from "../domain/access.ts";
import type { BodyCall } from "../domain/body-calls.ts";
import type { CallsFault } from "../domain/judged-calls.ts";
import { tightest, type Limits } from "../domain/limits.ts";
import { allowsNow, limitsNow } from "../domain/policy.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { judgeServerRequest, toolsOf, type ServerRequest } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import { readJson } from "../protocol/body.ts";
import { ExpectedAnswers } from "../protocol/expected-answers.ts";
import { scopeError } from "../protocol/dpop.ts";
import { readMcpRequest } from "../protocol/mcp-request.ts";
import { deny, invalidRequest, type WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";
import { refuseUnaccepted } from "./mcp-definitions.ts";
import { NO_SUCH_HANDLE, unboundHeaders } from "./mcp-session-header.ts";
import { challengeOf, type Bearing } from "./proof.ts";

/** The largest request that is read to be judged, in bytes. */
const MAX_REQUEST_BYTES = 256 * 1024;

/** A request that the token and today's policy cover, whatever the session says. */
export interface JudgedServerCall extends ServerRequest {
  /** Of the token and of today's policy. */
  readonly limits: Limits;
  readonly headers: Headers;
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
  const { tenant } = c.var.tenant;
  const unaccepted = refuseUnaccepted(c, server);
  if (unaccepted !== undefined) return err(unaccepted);
  const headers = unboundHeaders(c, server, token);
  if (headers === undefined) return err({ reason: "foreign_handle", error: NO_SUCH_HANDLE });
  const held = new Set(token.authorization_details.flatMap(unitsOf));
  const mayCall = (unit: AccessUnit): boolean => held.has(unit) && allowsNow(tenant, token.agent, unit);
  // What ends a handle says so in its head. A body of it was judged by nobody, and stays here.
  const said = c.req.method === "POST" ? await readCalls(c) : ok(NOTHING_SAID);
  if (!said.ok) return err({ reason: "unreadable_body", error: said.error });
  const judged = judgeServerRequest(server, said.value.calls, mayCall);
  if (!judged.ok) return err(refusalOf(c, server, said.value.calls, judged.error, audience));
  const { calls } = judged.value;
  const units = calls.length === 0 ? toolsOf(server).filter(mayCall) : calls.map(({ unit }) => unit);
  const limits = tightest([
    limitsOf(token.authorization_details, serverPlace(server.id)),
    ...units.map((unit) => limitsNow(tenant, token.agent, unit)),
  ]);
  const { body, answers } = said.value;
  return ok({ ...judged.value, limits, headers, body, answers });
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
  const called = calls.flatMap((call) => (call.kind === "tool" ? toolUnit(server.id, call.tool) : []));
  const scope = toolsOf(server)
    .filter((unit) => called.includes(unit))
    .join(" ");
  const error = scopeError(NOT_GRANTED, { ...challengeOf(c, audience), scope });
  return { reason: fault.reason, unit: fault.unit, error };
}

const UNKNOWN = deny(
  "unknown_operation",
  "that call, or one in it, is neither a tool of the server's registration, by its exact name, nor a method that lists",
);
const NOT_GRANTED =
  "the session was not granted every tool in this request; ask for them in a new session, which a human must approve";

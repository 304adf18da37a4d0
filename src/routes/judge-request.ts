import { limitsOf, unitsOf, type AccessUnit } from "../domain/access.ts";
import type { BodyCall, Endpoint } from "../domain/body-calls.ts";
import type { Json } from "../domain/canonical-json.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import { judgeCalls, type CallsFault, type UnitCall } from "../domain/judged-calls.ts";
import { tightest, type Limits } from "../domain/limits.ts";
import type { ResolvedCall } from "../domain/operations.ts";
import { allowsNow, limitsNow } from "../domain/policy.ts";
import { namesOf } from "../domain/query-names.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readJson } from "../protocol/body.ts";
import { readGraphqlRequest } from "../protocol/graphql-request.ts";
import { readJsonRpcRequest } from "../protocol/jsonrpc-request.ts";
import { deny, invalidRequest, type WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";
import type { Bearing } from "./proof.ts";

/** The largest body that is read to be judged, in bytes. Others stream past. */
const MAX_JUDGED_BYTES = 256 * 1024;

/** A request that the token and today's policy cover, whatever the session says. */
export interface JudgedRequest {
  readonly calls: readonly UnitCall[];
  /** Of the token and of today's policy. */
  readonly limits: Limits;
  /** The body, where it was read to be judged: what is sent is this, to the byte. */
  readonly body?: Uint8Array | undefined;
}

/** Why a request does not pass, for the caller and for the audit log. */
export interface RefusedRequest {
  readonly error: WireError;
  readonly reason: "unknown_operation" | "not_granted" | "unreadable_body";
  readonly unit?: string | undefined;
}

/** Names all that a request would do at an upstream, and decides whether this token and today's policy cover it. */
export async function judgeRequest(
  c: Handling,
  { token }: Bearing,
  compiled: CompiledUpstream,
  path: string,
  query: string,
): Promise<Result<JudgedRequest, RefusedRequest>> {
  const { tenant } = c.var.tenant;
  const upstream = compiled.upstream.id;
  const held = new Set(token.authorization_details.flatMap(unitsOf));
  const mayCall = (unit: AccessUnit): boolean => held.has(unit) && allowsNow(tenant, token.agent, unit);
  const named = await nameCalls(c, compiled, path, query);
  if (!named.ok) return named;
  const judged = judgeCalls(upstream, named.value.calls, mayCall);
  if (!judged.ok) return err(refusal(judged.error));
  const limits = tightest([
    limitsOf(token.authorization_details, upstream),
    ...judged.value.map(({ unit }) => limitsNow(tenant, token.agent, unit)),
  ]);
  return ok({ calls: judged.value, limits, body: named.value.body });
}

interface NamedCalls {
  /** For each call of the request the operations that it could be. */
  readonly calls: readonly (readonly ResolvedCall[])[];
  readonly body?: Uint8Array;
}

async function nameCalls(
  c: Handling,
  { resolve, endpoint }: CompiledUpstream,
  path: string,
  query: string,
): Promise<Result<NamedCalls, RefusedRequest>> {
  const found = endpoint(path);
  // HEAD is GET without the body, so it is granted as GET is.
  const method = c.req.method === "HEAD" ? "GET" : c.req.method;
  if (found === undefined) return ok({ calls: [resolve(method, path, namesOf(query.slice(1)))] });
  if (found.path !== path || method !== "POST") return err(refusal({ reason: "unknown_operation" }));
  // Servers take a document from the query too, some of them rather than from the body.
  if (query !== "") return err(unreadable(invalidRequest("this path takes no query; send all of it in the body")));
  const read = await readJson(c.req.raw, MAX_JUDGED_BYTES);
  if (!read.ok) return err(unreadable(read.error));
  const bodyCalls = readCalls(found, read.value.value, c.req.raw.headers);
  if (!bodyCalls.ok) return err(unreadable(invalidRequest(bodyCalls.error)));
  return ok({ calls: bodyCalls.value.map(found.resolve), body: new TextEncoder().encode(read.value.text) });
}

function readCalls({ protocol }: Endpoint, value: Json, headers: Headers): Result<readonly BodyCall[], string> {
  switch (protocol) {
    case "graphql":
      return readGraphqlRequest(value);
    case "jsonrpc":
      return readJsonRpcRequest(value, headers);
  }
}

function refusal(fault: CallsFault): RefusedRequest {
  if (fault.reason === "unknown_operation")
    return {
      reason: fault.reason,
      error: deny(fault.reason, "that call, or something in it, belongs to no operation of the upstream's catalogue"),
    };
  const { reason, unit } = fault;
  const description = `the token does not cover ${unit}; if the session was granted it since, exchange its token again; else ask for it, which a human must approve`;
  return { reason, unit, error: deny(reason, description) };
}

function unreadable(error: WireError): RefusedRequest {
  return { error, reason: "unreadable_body" };
}

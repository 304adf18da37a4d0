import { TOOLS_CALL, type BodyCall } from "../domain/body-calls.ts";
import type { Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** Calls in one batch: each is carried out. */
const MAX_BATCH = 50;
/** What a request object may say, JSON-RPC 2.0 §4. Some readers take `Method` for `method`. */
const MEMBERS = new Set(["jsonrpc", "method", "params", "id"]);

type JsonObject = { readonly [name: string]: Json };

/**
 * Reads all calls of a JSON-RPC 2.0 body: one request or notification, or a batch of them (§6). One
 * that cannot be read refuses the whole, and so does an answer, which calls nothing that can be judged.
 */
export function readJsonRpcRequest(value: Json): Result<readonly BodyCall[], string> {
  const messages: readonly Json[] = Array.isArray(value) ? (value as readonly Json[]) : [value];
  if (messages.length === 0) return err("the batch is empty");
  if (messages.length > MAX_BATCH) return err(`a batch may have at most ${MAX_BATCH} calls`);
  const calls: BodyCall[] = [];
  for (const message of messages) {
    const call = readMessage(message);
    if (!call.ok) return call;
    calls.push(call.value);
  }
  return ok(calls);
}

function readMessage(message: Json): Result<BodyCall, string> {
  if (!isObject(message) || Object.keys(message).some((name) => !MEMBERS.has(name)))
    return err("each call must be an object with jsonrpc, method, params and id alone");
  const { jsonrpc, method, params, id } = message;
  if (jsonrpc !== "2.0") return err('jsonrpc must be "2.0"');
  if (typeof method !== "string") return err("method must be a text");
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number")
    return err("id must be a text or a number");
  if (params !== undefined && (typeof params !== "object" || params === null))
    return err("params must be an object or an array");
  if (method !== TOOLS_CALL) return ok({ kind: "method", method });
  return readToolCall(params);
}

/** Which tool is called. A second member that some reader would take for `name` leaves that open. */
function readToolCall(params: Json | undefined): Result<BodyCall, string> {
  if (!isObject(params)) return err(`params of ${TOOLS_CALL} must be an object`);
  const names = Object.keys(params).filter((member) => member.normalize("NFKC").trim().toLowerCase() === "name");
  const { name } = params;
  return typeof name === "string" && names.length === 1
    ? ok({ kind: "tool", tool: name })
    : err(`params of ${TOOLS_CALL} must have one name`);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

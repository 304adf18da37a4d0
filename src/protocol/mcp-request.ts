import type { BodyCall } from "../domain/body-calls.ts";
import { isJsonObject, type Json } from "../domain/canonical-json.ts";
import { ok, type Result } from "../domain/result.ts";
import { readJsonRpcRequest } from "./jsonrpc-request.ts";

const ANSWER_MEMBERS = new Set(["jsonrpc", "id", "result", "error"]);

/**
 * Reads what a client of a server posts: calls, or its one answer to something that the server asked
 * of it, which calls nothing. Any other message refuses the whole.
 */
export function readMcpRequest(value: Json, headers: Headers): Result<readonly BodyCall[], string> {
  return isAnswer(value) ? ok([]) : readJsonRpcRequest(value, headers);
}

function isAnswer(value: Json): boolean {
  if (!isJsonObject(value)) return false;
  const { jsonrpc, id, result, error } = value;
  return (
    Object.keys(value).every((name) => ANSWER_MEMBERS.has(name)) &&
    jsonrpc === "2.0" &&
    (typeof id === "string" || typeof id === "number") &&
    (result === undefined) !== (error === undefined)
  );
}

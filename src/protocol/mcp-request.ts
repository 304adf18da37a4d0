import type { BodyCall } from "../domain/body-calls.ts";
import { isJsonObject, type Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readJsonRpcRequest } from "./jsonrpc-request.ts";

const ANSWER_MEMBERS = new Set(["jsonrpc", "id", "result", "error"]);

/**
 * Reads what a client of a server posts: calls, or its one answer to something that the server asked
 * of it, which calls nothing. Any other message refuses the whole.
 */
export function readMcpRequest(value: Json, headers: Headers): Result<readonly BodyCall[], string> {
  const messages = Array.isArray(value) ? (value as readonly Json[]) : [value];
  if (!messages.every(hasSoundId))
    return err("id must be a text, or a whole number that all readers take for the same");
  if (!isAnswer(value)) return readJsonRpcRequest(value, headers);
  const named = ["mcp-method", "mcp-name"].some((name) => headers.has(name));
  return named ? err("an answer calls nothing that Mcp-Method and Mcp-Name could name") : ok([]);
}

/**
 * By its id alone a client knows an answer. One that readers round, each in their own way, would let a
 * server answer a call with what the client waits for elsewhere. MCP has no request whose id is null.
 */
function hasSoundId(message: Json): boolean {
  const id = isJsonObject(message) ? message["id"] : undefined;
  return id === undefined || typeof id === "string" || Number.isSafeInteger(id);
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

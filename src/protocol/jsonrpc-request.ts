import { TOOLS_CALL, type BodyCall } from "../domain/body-calls.ts";
import { isJsonObject, oneOrMany, type Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { spelling } from "../domain/spelling.ts";
import { readHeaderValue } from "./mcp-header-value.ts";

/** Calls in one batch: each is carried out. */
const MAX_BATCH = 50;
/** What a request object may say, JSON-RPC 2.0 §4. Some readers take `Method` for `method`. */
const MEMBERS = new Set(["jsonrpc", "method", "params", "id"]);

/** One call, and the name in its parameters that the Model Context Protocol repeats in a header. */
interface Message {
  readonly call: BodyCall;
  readonly method: string;
  readonly id: Json | undefined;
  readonly name: Json | undefined;
}

/**
 * Reads all calls of a JSON-RPC 2.0 body: one request or notification, or a batch of them (§6). One
 * that cannot be read refuses the whole, and so does an answer, which calls nothing that can be judged.
 *
 * @param headers the request's: what they say of the call has to be what the body says, because some
 *   servers and whatever stands before them go by the one and some by the other (MCP 2026-07-28)
 */
export function readJsonRpcRequest(value: Json, headers: Headers): Result<readonly BodyCall[], string> {
  const values = oneOrMany(value);
  if (values.length === 0) return err("the batch is empty");
  if (values.length > MAX_BATCH) return err(`a batch may have at most ${MAX_BATCH} calls`);
  const messages: Message[] = [];
  for (const one of values) {
    const message = readMessage(one);
    if (!message.ok) return message;
    messages.push(message.value);
  }
  const ids = messages.flatMap(({ id }) => (id === undefined || id === null ? [] : String(id)));
  if (new Set(ids).size !== ids.length) return err("each call of a batch needs an id of its own");
  if (!agree(headers, messages)) return err("Mcp-Method and Mcp-Name must say what the body says");
  return ok(messages.map(({ call }) => call));
}

function readMessage(message: Json): Result<Message, string> {
  if (!isJsonObject(message) || Object.keys(message).some((name) => !MEMBERS.has(name)))
    return err("each call must be an object with jsonrpc, method, params and id alone");
  const { jsonrpc, method, params, id } = message;
  if (jsonrpc !== "2.0") return err('jsonrpc must be "2.0"');
  if (typeof method !== "string") return err("method must be a text");
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number")
    return err("id must be a text or a number");
  if (params !== undefined && (typeof params !== "object" || params === null))
    return err("params must be an object or an array");
  const name = isJsonObject(params) ? (params["name"] ?? params["uri"]) : undefined;
  if (method !== TOOLS_CALL)
    return ok({ call: { kind: "method", method, given: isJsonObject(params) ? params : {} }, method, id, name });
  const call = readTool(params);
  return call.ok ? ok({ call: call.value, method, id, name }) : call;
}

/** Which tool is called, with what. A second member that some reader would take for the same leaves that open. */
function readTool(params: Json | undefined): Result<BodyCall, string> {
  if (!isJsonObject(params)) return err(`params of ${TOOLS_CALL} must be an object`);
  for (const member of ["name", "arguments"]) {
    if (Object.keys(params).some((other) => other !== member && spelling(other) === member))
      return err(`params of ${TOOLS_CALL} must have one ${member}`);
  }
  const { name, arguments: given = {} } = params;
  if (typeof name !== "string") return err(`params of ${TOOLS_CALL} must have a name`);
  return isJsonObject(given) ? ok({ kind: "tool", tool: name, given }) : err("arguments must be an object");
}

function agree(headers: Headers, messages: readonly Message[]): boolean {
  const [method, name] = [headers.get("mcp-method"), headers.get("mcp-name")];
  if (method === null && name === null) return true;
  const [only] = messages;
  if (only === undefined || messages.length > 1) return false;
  return (method === null || method === only.method) && (name === null || readHeaderValue(name) === only.name);
}

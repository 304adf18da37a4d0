import type { BodyCall } from "../domain/body-calls.ts";
import { isJsonObject, type Json } from "../domain/canonical-json.ts";
import type { MirroredParam } from "../domain/mirrored-params.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readHeaderValue } from "./mcp-header-value.ts";

const PREFIX = "mcp-param-";

/**
 * The headers in which a client repeats arguments of its call (MCP 2026-07-28, streamable HTTP): those
 * that the tool's definition names pass, and each has to say what the body says, because whatever stands
 * before a server may go by the header and the server by the body. Others stay behind. One that is
 * missing is for the server to refuse: clients of before know none.
 *
 * @param paramsOf what the definition of a tool has mirrored
 */
export function mirroredHeaders(
  headers: Headers,
  calls: readonly BodyCall[],
  paramsOf: (tool: string) => readonly MirroredParam[],
): Result<Readonly<Record<string, string>>, string> {
  const sent = [...headers].filter(([name]) => name.startsWith(PREFIX));
  const tools = calls.flatMap((call) => (call.kind === "tool" ? call : []));
  const [call, ...more] = tools;
  if (sent.length === 0 || call === undefined) return ok({});
  if (more.length > 0) return err("Mcp-Param headers belong to one call, and this batch has several");
  const passed: Record<string, string> = {};
  for (const { name, path } of paramsOf(call.tool)) {
    const said = headers.get(PREFIX + name);
    if (said === null) continue;
    if (!isSame(said, valueAt(call.given, path))) return err(`Mcp-Param-${name} must say what the body says`);
    passed[PREFIX + name] = said;
  }
  return ok(passed);
}

function isSame(said: string, value: Json | undefined): boolean {
  const decoded = readHeaderValue(said);
  switch (typeof value) {
    case "string":
      return decoded === value;
    case "boolean":
      return decoded === String(value);
    case "number":
      // 42 and 42.0 are one number; what no header can say exactly is no match.
      return (
        Number.isSafeInteger(value) && /^-?[0-9]{1,16}(?:\.0{1,16})?$/.test(decoded ?? "") && Number(decoded) === value
      );
    default:
      return false;
  }
}

function valueAt(given: Json, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>(
    (value, name) => (isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    given,
  );
}

import { isJsonObject, type Json, type JsonObject } from "./canonical-json.ts";

/** A parameter of a tool whose value clients repeat in a header, `Mcp-Param-{name}` (MCP 2026-07-28, `x-mcp-header`). */
export interface MirroredParam {
  /** In lower case, without what stands before every such name. */
  readonly name: string;
  /** Where the value stands in the arguments. */
  readonly path: readonly string[];
}

/** The definition's word for such a parameter. */
const ANNOTATION = "x-mcp-header";
/** RFC 9110 §5.6.2: what may be part of a header's name. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const TYPES: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"]);

/**
 * The parameters that a tool's definition has mirrored: those under `properties` alone, of a type that
 * has one way to be written, each under a name of its own. A definition that breaks these rules has none,
 * because clients are to leave its tool out.
 */
export function mirroredParams(definition: Json): readonly MirroredParam[] {
  const found = isJsonObject(definition) ? paramsUnder(definition["inputSchema"], []) : [];
  const names = new Set(found.map((param) => param?.name));
  return names.has(undefined) || names.size < found.length ? [] : (found as MirroredParam[]);
}

/** Undefined for each that breaks the rules. */
function paramsUnder(schema: Json | undefined, path: readonly string[]): (MirroredParam | undefined)[] {
  if (!isJsonObject(schema)) return [];
  const { properties } = schema;
  const below = isJsonObject(properties)
    ? Object.entries(properties).flatMap(([name, one]) => paramsUnder(one, [...path, name]))
    : [];
  return Object.hasOwn(schema, ANNOTATION) ? [paramOf(schema, path), ...below] : below;
}

function paramOf({ [ANNOTATION]: name, type }: JsonObject, path: readonly string[]): MirroredParam | undefined {
  const isSound = typeof name === "string" && TOKEN.test(name) && TYPES.has(type) && path.length > 0;
  return isSound ? { name: name.toLowerCase(), path } : undefined;
}

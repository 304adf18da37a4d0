import type { Json } from "./canonical-json.ts";
import { err, ok, type Result } from "./result.ts";

/** Deep enough for any document Stint knows, far from where a recursive reader would overflow. */
export const MAX_JSON_DEPTH = 32;
/** Members and elements in one document, all levels together. */
const MAX_JSON_NODES = 20_000;

export type JsonFault =
  | "not_json"
  | "not_unicode"
  | "too_deep"
  | "too_many_members"
  | "duplicate_member"
  | "forbidden_member";

/** Names that reach an object's prototype in code that copies members carelessly. */
const FORBIDDEN_MEMBERS = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Parses JSON that an adversary wrote. Beyond `JSON.parse` it refuses duplicate member names
 * (of which `JSON.parse` silently keeps the last, so two readers could disagree on one document),
 * nesting deeper than {@link MAX_JSON_DEPTH}, more than {@link MAX_JSON_NODES} values, names that
 * pollute prototypes, byte order marks, NUL and lone surrogates. RFC 8259 §4, RFC 7515 §4, RFC 7519 §4.
 */
export function parseStrictJson(text: string): Result<Json, JsonFault> {
  if (!text.isWellFormed()) return err("not_unicode");
  const fault = scan(text);
  if (fault !== undefined) return err(fault);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return err("not_json");
  }
  return ok(value);
}

/**
 * One pass over the text that tracks only strings and nesting. It need not know the whole grammar:
 * `JSON.parse` judges that afterwards, and whatever this pass misreads is not JSON.
 */
function scan(text: string): JsonFault | undefined {
  /** For each open level: the names seen in an object, or undefined in an array. */
  const levels: (Set<string> | undefined)[] = [];
  // Only an escape can smuggle a lone surrogate or NUL past the check of the whole text.
  const mayHideUnicodeFault = text.includes("\\u");
  let nodes = 0;
  let expectsName = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      if (end === undefined) return "not_json";
      const names = levels.at(-1);
      if (expectsName && names !== undefined) {
        const fault = addName(names, text.slice(at, end + 1));
        if (fault !== undefined) return fault;
        expectsName = false;
      } else if (mayHideUnicodeFault) {
        const fault = stringFault(text.slice(at, end + 1));
        if (fault !== undefined) return fault;
      }
      at = end;
    } else if (char === "{" || char === "[") {
      levels.push(char === "{" ? new Set() : undefined);
      expectsName = char === "{";
      if (levels.length > MAX_JSON_DEPTH) return "too_deep";
    } else if (char === "}" || char === "]") {
      levels.pop();
      expectsName = false;
    } else if (char === ",") {
      nodes += 1;
      if (nodes > MAX_JSON_NODES) return "too_many_members";
      expectsName = levels.at(-1) !== undefined;
    }
  }
  return undefined;
}

function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at;
  }
  return undefined;
}

function addName(names: Set<string>, literal: string): JsonFault | undefined {
  const name = decode(literal);
  if (name === undefined) return "not_json";
  if (!name.isWellFormed() || name.includes("\0")) return "not_unicode";
  if (FORBIDDEN_MEMBERS.has(name)) return "forbidden_member";
  if (names.has(name)) return "duplicate_member";
  names.add(name);
  return undefined;
}

function stringFault(literal: string): JsonFault | undefined {
  const value = decode(literal);
  if (value === undefined) return "not_json";
  return value.isWellFormed() && !value.includes("\0") ? undefined : "not_unicode";
}

function decode(literal: string): string | undefined {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return undefined;
  }
}

import type { Json } from "./canonical-json.ts";
import { PARAMETER } from "./operations.ts";
import { spelling } from "./spelling.ts";

/** The parameters that a call is given, by name. */
export type Given = { readonly [name: string]: Json };

/** What may stand for a part of a location. A `/` would make one part of two. */
const PART = /^[!-)+-.0-~]{1,200}$/;

/**
 * Where a call works, read off what it is given: `:owner/:repo` from `{ "owner": "acme", "repo": "api" }`.
 * Undefined where that cannot be told for certain: a part is left out, is no text, or stands under a
 * second name that some readers would take for the same.
 */
export function locationFrom(template: string, given: Given): string | undefined {
  let isCertain = true;
  const location = template.replaceAll(PARAMETER, (_, name: string) => {
    const part = Object.hasOwn(given, name) ? given[name] : undefined;
    const spellings = Object.keys(given).filter((other) => spelling(other) === spelling(name));
    if (typeof part === "string" && PART.test(part) && spellings.length === 1) return part;
    isCertain = false;
    return "";
  });
  return isCertain ? location : undefined;
}

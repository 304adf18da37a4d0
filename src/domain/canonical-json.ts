/** A JSON value as `JSON.parse` yields it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export type JsonObject = { readonly [name: string]: Json };

/** Whether what `JSON.parse` yielded is an object, and neither a list nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The members of a list, or the one value that is none: what may come alone or as a batch. */
export function oneOrMany(value: Json): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}

/**
 * Serialises a JSON value by RFC 8785: members sorted by UTF-16 code units, no white space,
 * numbers and strings as ECMAScript writes them.
 *
 * Members that are `undefined` are left out, as `JSON.stringify` would. Throws on what JSON cannot
 * say (a function, NaN, a lone surrogate): such a value is a bug, never input.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("canonical JSON has no NaN or Infinity");
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("canonical JSON has no lone surrogates");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      // oxlint-disable-next-line unicorn/no-array-sort -- a fresh array
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`canonical JSON has no ${typeof value}`);
}

import { err, ok, type Result } from "./result.ts";

/** Longer than any path of the upstreams we know. */
const MAX_PATH_LENGTH = 2048;
/** RFC 3986 `pchar`, less `;` and `%`: path parameters are read differently by different servers. */
const PLAIN = /^[A-Za-z0-9\-._~!$&'()*+,=:@]$/;
const DOT_SEGMENT = /^\.{1,2}$/;
const TRIPLET = /%[0-9A-Fa-f]{2}/g;

/**
 * Judges the path that a caller wants an upstream to see, and returns it unchanged or not at all:
 * it is never repaired, so the path that is judged and the path that is sent are the same string.
 *
 * Refused: dot segments, empty segments, `;`, backslashes, control characters, anything outside
 * ASCII, and percent-encoding that hides a character which would matter plain, is not upper-case,
 * or is not UTF-8.
 *
 * @param path an absolute path without query, as it stood in the request line
 */
export function canonicalPath(path: string): Result<string, "not_canonical"> {
  if (!path.startsWith("/") || path.length > MAX_PATH_LENGTH) return err("not_canonical");
  const segments = path.slice(1).split("/");
  // A single empty segment is the root itself.
  if (segments.length === 1 && segments[0] === "") return ok(path);
  return segments.every(isCanonicalSegment) ? ok(path) : err("not_canonical");
}

function isCanonicalSegment(segment: string): boolean {
  if (segment === "" || DOT_SEGMENT.test(segment)) return false;
  for (const char of segment.replaceAll(TRIPLET, "")) {
    if (!PLAIN.test(char)) return false;
  }
  return (segment.match(TRIPLET) ?? []).every((triplet) => triplet === triplet.toUpperCase()) && hidesNothing(segment);
}

/** Whether every encoded character is one that needs encoding and harms nobody when decoded. */
function hidesNothing(segment: string): boolean {
  if (!segment.includes("%")) return true;
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    return false;
  }
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\%;]/u.test(decoded)) return false;
  if ([...decoded].some(foldsToSyntax)) return false;
  return segment === encodeSegment(decoded);
}

/** Compatibility forms, such as the two-dot leader, which some readers turn into `..` or `/`. */
function foldsToSyntax(char: string): boolean {
  return char > "\x7f" && /[./\\%;]/.test(char.normalize("NFKC"));
}

/** The one way to encode a decoded segment: only what must be encoded is. */
function encodeSegment(decoded: string): string {
  return [...decoded].map((char) => (PLAIN.test(char) ? char : encodeURIComponent(char))).join("");
}

/** Parameters in which callers try to bring a credential of their own, or to override the method. */
const FORBIDDEN_QUERY = new Set([
  "access_token",
  "api_key",
  "apikey",
  "api-key",
  "key",
  "token",
  "auth",
  "authorization",
  "client_secret",
  "private_token",
  "oauth_token",
  "_method",
  "x-http-method-override",
]);

/**
 * Judges a query string (without `?`) and returns it unchanged: no name twice, none that carries a
 * credential, nothing but ASCII and upper-case percent-encoding of valid UTF-8. An apostrophe may only
 * stand in it encoded: a URL parser would encode it on the way, after it was judged.
 */
export function canonicalQuery(query: string): Result<string, "not_canonical" | "forbidden_parameter"> {
  if (query.length > MAX_PATH_LENGTH) return err("not_canonical");
  if (!/^(?:[A-Za-z0-9\-._~!$()*+,;:@/?&=[\]]|%[0-9A-F]{2})*$/.test(query)) return err("not_canonical");
  const names = new Set<string>();
  for (const pair of query === "" ? [] : query.split("&")) {
    let name: string;
    try {
      name = decodeURIComponent((pair.split("=", 1)[0] ?? "").replaceAll("+", " "));
      decodeURIComponent(pair);
    } catch {
      return err("not_canonical");
    }
    if (names.has(name)) return err("not_canonical");
    if (FORBIDDEN_QUERY.has(name.toLowerCase())) return err("forbidden_parameter");
    names.add(name);
  }
  return ok(query);
}

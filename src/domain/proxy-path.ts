import { namesOf, rootOf } from "./query-names.ts";
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

/**
 * Parameters in which callers bring a credential of their own, or override the method, as a reader that
 * makes little of case and punctuation sees them: `access_token`, `Access-Token` and `access.token[]` are one.
 */
const FORBIDDEN_QUERY = new Set([
  "accesstoken",
  "apikey",
  "apisecret",
  "apitoken",
  "auth",
  "authorization",
  "authtoken",
  "bearer",
  "bearertoken",
  "clientassertion",
  "clientsecret",
  "credential",
  "credentials",
  "httpmethod",
  "idtoken",
  "jwt",
  "key",
  "methodoverride",
  "oauthconsumerkey",
  "oauthsignature",
  "oauthtoken",
  "passwd",
  "password",
  "personalaccesstoken",
  "privatetoken",
  "refreshtoken",
  "secret",
  "sessiontoken",
  "sig",
  "signature",
  "subscriptionkey",
  "token",
  "xaccesstoken",
  "xamzcredential",
  "xamzsecuritytoken",
  "xamzsignature",
  "xapikey",
  "xauthtoken",
  "xgoogcredential",
  "xgoogsignature",
  "xhttpmethod",
  "xhttpmethodoverride",
  "xmethodoverride",
]);
/** Rails and its relatives, in which a dot or a bracket may stand for an underscore; `method` alone is an ordinary word. */
const METHOD_OVERRIDE = /^[^a-z0-9]+method[^a-z0-9]*$/;

/**
 * Judges a query string (without `?`) and returns it unchanged: no name that carries a credential,
 * nothing but ASCII and upper-case percent-encoding of valid UTF-8 without NUL. Some readers part a
 * query at `;` as well, and a URL parser would encode an apostrophe after it was judged, so these may
 * only stand in it encoded. Which names may stand twice is the upstream's (`isUnambiguous`).
 */
export function canonicalQuery(query: string): Result<string, "not_canonical" | "forbidden_parameter"> {
  if (query.length > MAX_PATH_LENGTH) return err("not_canonical");
  if (!/^(?:[A-Za-z0-9\-._~!$()*+,:@/?&=[\]]|%[0-9A-F]{2})*$/.test(query)) return err("not_canonical");
  let names: string[];
  try {
    if (decodeURIComponent(query).includes("\0")) return err("not_canonical");
    names = namesOf(query);
  } catch {
    return err("not_canonical");
  }
  if (names.some((name) => /\p{Cc}/u.test(name))) return err("not_canonical");
  return names.some(isForbidden) ? err("forbidden_parameter") : ok(query);
}

function isForbidden(name: string): boolean {
  const written = name.normalize("NFKC").toLowerCase();
  return [written, rootOf(written)].some(
    (form) => METHOD_OVERRIDE.test(form) || FORBIDDEN_QUERY.has(form.replaceAll(/[^a-z0-9]/g, "")),
  );
}

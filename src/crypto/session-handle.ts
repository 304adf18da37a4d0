import { ID_PREFIXES } from "../domain/ids.ts";
import { deriveKey, equalsConstantTime, hmac } from "./hash.ts";

const SESSION_BODY_LENGTH = 22;
/** No letters or digits that are mistaken for one another when read aloud. */
const CODE_ALPHABET = "BCDFGHJKMPQRTVWXY346789";
const CODE_LENGTH = 6;

/** By what a session is fetched: the handle that an agent polls with, or the code that a browser carries. */
export type HandleKind = "auth_req_id" | "code";

const PREFIXES: Readonly<Record<HandleKind, string>> = { auth_req_id: ID_PREFIXES.request, code: ID_PREFIXES.code };

/**
 * A session's handle: the session's own random part and a MAC over it. It is a secret that nobody
 * has to store, the same when a request is repeated, and a guessed one is refused without waking any
 * object.
 */
export function handleOf(root: Uint8Array, issuer: string, kind: HandleKind, sessionId: string): string {
  const body = sessionId.slice(ID_PREFIXES.session.length);
  return PREFIXES[kind] + body + hmac(deriveKey(root, kind, issuer), sessionId);
}

/** The session that a handle belongs to, if Stint made it. */
export function sessionOfHandle(
  root: Uint8Array,
  issuer: string,
  kind: HandleKind,
  handle: string,
): string | undefined {
  if (!handle.startsWith(PREFIXES[kind])) return undefined;
  const start = PREFIXES[kind].length;
  const sessionId = ID_PREFIXES.session + handle.slice(start, start + SESSION_BODY_LENGTH);
  return equalsConstantTime(handle, handleOf(root, issuer, kind, sessionId)) ? sessionId : undefined;
}

/** The short code that agent and approver can compare, such as `K7Q-MXB`. */
export function matchCode(root: Uint8Array, issuer: string, sessionId: string): string {
  const mac = hmac(deriveKey(root, "match code", issuer), sessionId);
  const letters = Array.from(
    { length: CODE_LENGTH },
    (_, at) => CODE_ALPHABET[mac.charCodeAt(at) % CODE_ALPHABET.length],
  );
  return `${letters.slice(0, 3).join("")}-${letters.slice(3).join("")}`;
}

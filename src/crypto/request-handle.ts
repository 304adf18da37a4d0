import { ID_PREFIXES } from "../domain/ids.ts";
import { deriveKey, equalsConstantTime, hmac } from "./hash.ts";

const SESSION_BODY_LENGTH = 22;
/** No letters or digits that are mistaken for one another when read aloud. */
const CODE_ALPHABET = "BCDFGHJKMPQRTVWXY346789";
const CODE_LENGTH = 6;

/**
 * The `auth_req_id` of a session: the session's own random part and a MAC over it. It is a secret
 * that nobody has to store, the same when an agent repeats its request, and a guessed one is refused
 * without waking any object.
 */
export function requestHandle(root: Uint8Array, issuer: string, sessionId: string): string {
  const body = sessionId.slice(ID_PREFIXES.session.length);
  return ID_PREFIXES.request + body + hmac(deriveKey(root, "auth_req_id", issuer), sessionId);
}

/** The session that an `auth_req_id` belongs to, if Stint made it. */
export function sessionOfHandle(root: Uint8Array, issuer: string, handle: string): string | undefined {
  if (!handle.startsWith(ID_PREFIXES.request)) return undefined;
  const start = ID_PREFIXES.request.length;
  const sessionId = ID_PREFIXES.session + handle.slice(start, start + SESSION_BODY_LENGTH);
  return equalsConstantTime(handle, requestHandle(root, issuer, sessionId)) ? sessionId : undefined;
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

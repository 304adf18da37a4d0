import { deriveKey, equalsConstantTime, hmac } from "./hash.ts";

/** What a handle of a server is bound to: who was given it, and where. */
export interface HandleHolder {
  readonly issuer: string;
  readonly server: string;
  readonly sessionId: string;
}

/**
 * A server's own handle (`Mcp-Session-Id`), bound to the session through which it was given. A server
 * that takes a handle for its holder would let another session go on in it.
 */
export function bindHandle(root: Uint8Array, holder: HandleHolder, handle: string): string {
  return `${handle}.${macOf(root, holder, handle)}`;
}

/** The server's handle, if it was given to this holder. */
export function boundHandle(root: Uint8Array, holder: HandleHolder, presented: string): string | undefined {
  const handle = presented.slice(0, Math.max(0, presented.lastIndexOf(".")));
  return equalsConstantTime(presented, bindHandle(root, holder, handle)) ? handle : undefined;
}

function macOf(root: Uint8Array, { issuer, server, sessionId }: HandleHolder, handle: string): string {
  return hmac(deriveKey(root, "mcp handle", issuer), JSON.stringify([server, sessionId, handle]));
}

import { bindHandle, boundHandle } from "../crypto/mcp-handle.ts";
import type { AccessToken } from "../protocol/access-token.ts";
import type { WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";

/** By which MCP servers of 2025-11-25 and before know a client again. */
export const SESSION_HEADER = "mcp-session-id";

/**
 * The caller's headers with the server's own handle in them; undefined where the handle was not given to
 * the caller's session. All sessions come to one server as Stint, so that it could not tell them apart.
 *
 * @param place where the handle is good: a server's id, or an upstream's place under the issuer
 */
export function withOwnHandle(c: Handling, place: string, token: AccessToken): Headers | undefined {
  const presented = c.req.raw.headers.get(SESSION_HEADER);
  if (presented === null) return c.req.raw.headers;
  const handle = boundHandle(c.var.tenant.root, holderOf(c, place, token), presented);
  if (handle === undefined) return undefined;
  const headers = new Headers(c.req.raw.headers);
  headers.set(SESSION_HEADER, handle);
  return headers;
}

/** Binds the handle that a server gives to the session that it is given through. */
export function withBoundHandle(c: Handling, place: string, token: AccessToken, response: Response): Response {
  const handle = response.headers.get(SESSION_HEADER);
  if (handle === null) return response;
  const headers = new Headers(response.headers);
  headers.set(SESSION_HEADER, bindHandle(c.var.tenant.root, holderOf(c, place, token), handle));
  return new Response(response.body, { status: response.status, headers });
}

function holderOf(c: Handling, place: string, { session_id }: AccessToken) {
  return { issuer: c.var.tenant.issuer, server: place, sessionId: session_id };
}

export const NO_SUCH_HANDLE: WireError = {
  status: 404,
  error: "not_found",
  description: "this Mcp-Session-Id was not given to this session; begin anew with initialize",
};

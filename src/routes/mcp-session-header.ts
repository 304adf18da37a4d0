import { bindHandle, boundHandle } from "../crypto/mcp-handle.ts";
import type { Server } from "../domain/tenant.ts";
import type { AccessToken } from "../protocol/access-token.ts";
import type { WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";

/** By which older servers know a client again. */
export const SESSION_HEADER = "mcp-session-id";

/** The caller's headers with the server's own handle in them; undefined where the handle is not the caller's. */
export function unboundHeaders(c: Handling, server: Server, token: AccessToken): Headers | undefined {
  const headers = new Headers(c.req.raw.headers);
  const presented = headers.get(SESSION_HEADER);
  if (presented === null) return headers;
  const handle = boundHandle(c.var.tenant.root, holderOf(c, server, token), presented);
  if (handle === undefined) return undefined;
  headers.set(SESSION_HEADER, handle);
  return headers;
}

/** An answer with the handle that the server gives in it bound to the session that it was given through. */
export function withBoundHandle(c: Handling, server: Server, token: AccessToken, response: Response): Response {
  const handle = response.headers.get(SESSION_HEADER);
  if (handle === null) return response;
  const headers = new Headers(response.headers);
  headers.set(SESSION_HEADER, bindHandle(c.var.tenant.root, holderOf(c, server, token), handle));
  return new Response(response.body, { status: response.status, headers });
}

function holderOf(c: Handling, { id }: Server, { session_id }: AccessToken) {
  return { issuer: c.var.tenant.issuer, server: id, sessionId: session_id };
}

export const NO_SUCH_HANDLE: WireError = {
  status: 404,
  error: "not_found",
  description: "this Mcp-Session-Id was not given to this session; begin anew with initialize",
};

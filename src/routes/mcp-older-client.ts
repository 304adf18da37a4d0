import { isLegacyRequest } from "@modelcontextprotocol/server";
import { bindHandle, boundHandle } from "../crypto/mcp-handle.ts";
import type { Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { AccessToken } from "../protocol/access-token.ts";
import { saysItOpensAddresses } from "../protocol/mcp-initialize.ts";
import type { WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";
import { NO_SUCH_HANDLE, SESSION_HEADER } from "./bound-handle.ts";

/** All that is to be known of a client of 2025-11-25: that it said, when it began, that it opens addresses. */
const OPENS_ADDRESSES = "url";

/** What a client of 2025-11-25 or before has said of itself. */
export interface OlderClient {
  readonly urls: boolean;
  /** The `Mcp-Session-Id` to answer with: it carries what the client says in this request into its next ones. */
  readonly handle?: string;
}

/**
 * What is known of a client of 2025-11-25 or before, which says what it can in its first request alone.
 * It is kept by the client, in a handle that is bound to the session whose token it shows: nothing is
 * stored, the handle opens nothing, and in any other session it is unknown.
 */
export async function olderClient(
  c: Handling,
  token: AccessToken,
  body: Json,
): Promise<Result<OlderClient, WireError>> {
  const { root, issuer } = c.var.tenant;
  // Stint's own tools are no registered server: no other handle is bound to this name.
  const holder = { issuer, server: "", sessionId: token.session_id };
  // A client of 2026-07-28 says it anew each time.
  if (!(await isLegacyRequest(c.req.raw, body))) return ok({ urls: false });
  if (saysItOpensAddresses(body)) return ok({ urls: true, handle: bindHandle(root, holder, OPENS_ADDRESSES) });
  const presented = c.req.header(SESSION_HEADER);
  if (presented === undefined) return ok({ urls: false });
  return boundHandle(root, holder, presented) === OPENS_ADDRESSES ? ok({ urls: true }) : err(NO_SUCH_HANDLE);
}

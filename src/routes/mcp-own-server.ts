import { createMcpHandler } from "@modelcontextprotocol/server";
import type { Json } from "../domain/canonical-json.ts";
import { saysNobodyLooks } from "../protocol/mcp-elicited.ts";
import { refuseTaskNews } from "../protocol/mcp-tasks.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";
import { SESSION_HEADER } from "./bound-handle.ts";
import { olderClient } from "./mcp-older-client.ts";
import { ownTools } from "./mcp-own-tools.ts";
import { sessionObject } from "./objects.ts";
import type { Bearing } from "./proof.ts";

/** Answers one message of a client whose token and key were checked, in its own revision of the protocol. */
export async function answerMessage(c: Handling, bearing: Bearing, body: Json): Promise<Response> {
  const refused = refuseTaskNews(body);
  if (refused !== undefined) return Response.json(refused, { status: 400, headers: NO_STORE });
  const older = await olderClient(c, bearing.token, body);
  if (!older.ok) return renderError(older.error);
  if (older.value.urls && saysNobodyLooks(body))
    await sessionObject(c.env, c.var.tenant.issuer, bearing.token.session_id).nobodyLooks();
  const { fetch } = createMcpHandler(({ era }) => ownTools(c, bearing, era, older.value), {
    responseMode: "json",
    maxSubscriptions: 1,
    keepAliveMs: 0,
  });
  const { client_id, expires_at } = bearing.token;
  const response = await fetch(c.req.raw, {
    parsedBody: body,
    authInfo: { token: "", clientId: client_id, scopes: [], expiresAt: expires_at },
  });
  if (older.value.handle === undefined || !response.ok) return response;
  const headers = new Headers(response.headers);
  headers.set(SESSION_HEADER, older.value.handle);
  return new Response(response.body, { status: response.status, headers });
}

import { Hono } from "hono";
import { isSessionToken, verifyAccessToken } from "../protocol/access-token.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { identifyAnyClient, readTokenForm } from "./client.ts";
import { nowSeconds, type App } from "./http.ts";
import { sessionObject } from "./objects.ts";

/**
 * RFC 7009. Revoking the first token of a session ends the session and all that came from it;
 * revoking another token ends that one. Whatever was presented, the answer is the same.
 */
export const revocation = new Hono<App>().post("/oauth/revoke", async (c) => {
  const form = await readTokenForm(c, identifyAnyClient);
  if (!form.ok) return renderError(form.error);
  const { client } = form.value;
  const { issuer } = c.var.tenant;
  const token = await verifyAccessToken(form.value.token, c.var.tenant, nowSeconds());
  if (token.ok && [token.value.client_id, token.value.agent].includes(client.id)) {
    const session = sessionObject(c.env, issuer, token.value.session_id);
    const by = { kind: "agent", id: client.id } as const;
    if (isSessionToken(token.value, issuer)) await session.revoke(by);
    else await session.revokeToken(token.value.jti, by);
  }
  return c.body(null, 200, NO_STORE);
});

import { Hono } from "hono";
import { verifyAccessToken } from "../protocol/access-token.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { readTokenForm } from "./client.ts";
import { nowSeconds, type App } from "./http.ts";
import { sessionObject, standingOf } from "./objects.ts";

/** RFC 7662: whether a token is good at this moment. A client learns only about tokens that are its own or meant for it. */
export const introspection = new Hono<App>().post("/oauth/introspect", async (c) => {
  const form = await readTokenForm(c);
  if (!form.ok) return renderError(form.error);
  const { client } = form.value;
  const inactive = c.json({ active: false }, 200, NO_STORE);
  const token = await verifyAccessToken(form.value.token, c.var.tenant, nowSeconds());
  if (!token.ok) return inactive;
  const { id, kind } = client;
  const { tenant, issuer } = c.var.tenant;
  const concerns =
    kind === "agent"
      ? token.value.agent === id
      : token.value.audience === tenant.servers.get(id)?.resource || token.value.actor === id;
  const standing = standingOf(c.var.tenant, token.value.agent);
  if (!concerns || standing === undefined) return inactive;
  const live = await sessionObject(c.env, issuer, token.value.session_id).introspect(token.value, standing);
  if (!live.ok) return inactive;
  const {
    session_id,
    jti,
    jkt,
    audience,
    client_id,
    agent,
    sub,
    expires_at,
    issued_at,
    grant_digest,
    authorization_details,
    actor,
  } = token.value;
  const body = {
    active: true,
    iss: issuer,
    sub,
    aud: audience,
    client_id,
    exp: expires_at,
    iat: issued_at,
    jti,
    token_type: "DPoP",
    cnf: { jkt },
    sid: session_id,
    authorization_details,
    grant_digest,
    ...(actor === undefined ? {} : { act: { sub: actor }, agent }),
  };
  return c.json(body, 200, NO_STORE);
});

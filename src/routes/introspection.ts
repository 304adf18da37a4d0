import { Hono } from "hono";
import { signToken } from "../crypto/signing-key.ts";
import { narrow, type AccessDetail } from "../domain/access.ts";
import { allowsNow } from "../domain/policy.ts";
import { scopeOf } from "../domain/scope.ts";
import { isSessionToken, verifyAccessToken, type AccessToken } from "../protocol/access-token.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { signingKey } from "../tenancy.ts";
import { assertionOf, identifyClient, readTokenForm, type AuthenticatedClient } from "./client.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { sessionObject, standingOf } from "./objects.ts";

const SIGNED = "application/token-introspection+jwt";

/**
 * RFC 7662: whether a token is good at this moment, and RFC 9701: the same as a signed statement for
 * whoever asks for one. A client learns only about tokens that are its own or meant for it.
 */
export const introspection = new Hono<App>().post("/oauth/introspect", async (c) => {
  const form = await readTokenForm(c, (context, fields) => identifyClient(context, assertionOf(fields)));
  if (!form.ok) return renderError(form.error);
  const { client } = form.value;
  const statement = await introspect(c, client, form.value.token);
  if (!acceptsSigned(c.req.header("accept"))) return c.json(statement, 200, NO_STORE);
  const { issuer } = c.var.tenant;
  // RFC 9701 §5: for this client alone; who else is shown it can tell.
  const claims = { iss: issuer, aud: client.id, iat: nowSeconds(), token_introspection: statement };
  const signed = await signToken(signingKey(c.var.tenant, "introspection"), claims);
  return c.body(signed, 200, { ...NO_STORE, "content-type": SIGNED });
});

async function introspect(c: Handling, client: AuthenticatedClient, presented: string): Promise<object> {
  const inactive = { active: false };
  const token = await verifyAccessToken(presented, c.var.tenant, nowSeconds());
  if (!token.ok || !concerns(c, client, token.value)) return inactive;
  const standing = standingOf(c.var.tenant, token.value.agent);
  if (standing === undefined) return inactive;
  const { issuer } = c.var.tenant;
  const live = await sessionObject(c.env, issuer, token.value.session_id).introspect(
    { jti: token.value.jti },
    standing,
  );
  if (!live.ok) return inactive;
  const authorization_details = allowedNow(c, token.value);
  // With its session's own token an agent still asks for more, looks and ends.
  if (authorization_details.length === 0 && !isSessionToken(token.value, issuer)) return inactive;
  return { active: true, iss: issuer, ...statementOf({ ...token.value, authorization_details }) };
}

/** What is left of a token where the trust policy came to allow less: a server that asks goes by today's. */
function allowedNow(c: Handling, { agent, authorization_details }: AccessToken): readonly AccessDetail[] {
  return narrow(authorization_details, (unit) => allowsNow(c.var.tenant.tenant, agent, unit));
}

function concerns(c: Handling, { kind, id }: AuthenticatedClient, token: AccessToken): boolean {
  if (kind === "agent") return token.agent === id;
  return token.audience === c.var.tenant.tenant.servers.get(id)?.resource || token.actor === id;
}

function statementOf(token: AccessToken): object {
  const { jkt, actor, authorization_details } = token;
  return {
    sub: token.sub,
    aud: token.audience,
    client_id: token.client_id,
    exp: token.expires_at,
    iat: token.issued_at,
    jti: token.jti,
    token_type: jkt === undefined ? "Bearer" : "DPoP",
    ...(jkt === undefined ? {} : { cnf: { jkt } }),
    sid: token.session_id,
    scope: scopeOf(authorization_details),
    authorization_details,
    grant_digest: token.grant_digest,
    ...(actor === undefined ? {} : { act: { sub: actor }, agent: token.agent }),
  };
}

/** Only who names the type gets it: a wildcard means the plain answer that everybody understands. */
function acceptsSigned(accept: string | undefined): boolean {
  return (accept ?? "").split(",").some((part) => part.split(";", 1)[0]?.trim().toLowerCase() === SIGNED);
}

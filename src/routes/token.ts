import { Hono } from "hono";
import { newId } from "../crypto/random.ts";
import { sessionOfHandle } from "../crypto/request-handle.ts";
import { signToken } from "../crypto/signing-key.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { Subject } from "../domain/exchange.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Minting, UseFault } from "../durable/session-commands.ts";
import {
  isSessionToken,
  verifyAccessToken,
  type AccessToken,
  type AccessTokenClaims,
} from "../protocol/access-token.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { INVALID_CLIENT, type AuthenticatedClient } from "../protocol/client-assertion.ts";
import { proofErrorAtServer, type Proof } from "../protocol/dpop.ts";
import { CIBA_GRANT, TOKEN_EXCHANGE_GRANT } from "../protocol/metadata.ts";
import { pollError } from "../protocol/poll.ts";
import { ACCESS_TOKEN_TYPE, exchangeError, readExchangeRequest, SUBJECT_INVALID } from "../protocol/token-exchange.ts";
import { invalidRequest, NO_STORE, renderError, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { signingKey } from "../tenancy.ts";
import { assertionOf, authenticateForm, identifyClient, useAssertion } from "./client.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { agentObject, sessionObject, standingOf } from "./objects.ts";
import { freshNonce, proofAtServer } from "./proof.ts";

const PATH = "/oauth/token";

/** The token endpoint: each grant a handler, every other one refused by name. */
export const token = new Hono<App>().post(PATH, async (c) => {
  const form = await readForm(c.req.raw);
  if (!form.ok) return renderError(form.error);
  if (new URL(c.req.url).search !== "")
    return renderError(invalidRequest("send parameters in the body, never in the URL"));
  switch (form.value.get("grant_type")) {
    case CIBA_GRANT:
      return poll(c, form.value);
    case TOKEN_EXCHANGE_GRANT:
      return exchange(c, form.value);
    case "refresh_token":
      return refuseRenewal(c, form.value);
    case undefined:
      return renderError(invalidRequest("grant_type is missing"));
    default:
      return renderError(UNSUPPORTED_GRANT);
  }
});

/** CIBA Core §10: the agent asks whether the human has decided. */
async function poll(c: Handling, form: Form): Promise<Response> {
  const client = await identifyClient(c, assertionOf(form));
  if (!client.ok) return renderError(client.error);
  const proof = await proofAtServer(c, PATH);
  if (!proof.ok) return renderError(proof.error);
  const used = await useAssertion(c, client.value);
  if (!used.ok) return renderError(used.error);
  const { issuer, config } = c.var.tenant;
  if (form.has("scope")) return refuseClient(c, client.value, "scope_asked", NO_SCOPES);
  const handle = form.get("auth_req_id");
  if (handle === undefined) return renderError(invalidRequest("auth_req_id is missing"));
  const sessionId = sessionOfHandle(config.kek, issuer, handle);
  const standing = standingOf(c.var.tenant, client.value.id);
  if (sessionId === undefined || standing === undefined) return renderError(pollError("unknown_session"));
  const polled = await sessionObject(c.env, issuer, sessionId).poll({
    client_id: client.value.id,
    proof: proof.value.oneTime,
    jkt: proof.value.jkt,
    jti: newId(ID_PREFIXES.token),
    standing,
  });
  return polled.ok ? answer(c, polled.value, {}) : renderError(pollError(polled.error));
}

/** RFC 8693: one audience more, never wider, never longer. */
async function exchange(c: Handling, form: Form): Promise<Response> {
  const asked = readExchangeRequest(form, c.var.tenant.tenant);
  if (!asked.ok) return refuseHolder(c, form.get("subject_token"), asked.error.error, asked.error);
  const subject = await verifyAccessToken(asked.value.subjectToken, c.var.tenant, nowSeconds());
  if (!subject.ok) return renderError(SUBJECT_INVALID);
  const proof = await proofAtServer(c, PATH);
  if (!proof.ok) return renderError(proof.error);
  const exchanger = await identifyExchanger(c, form, subject.value, proof.value);
  if (!exchanger.ok) return refuseHolder(c, asked.value.subjectToken, "exchange_by_wrong_party", exchanger.error);
  const standing = standingOf(c.var.tenant, subject.value.agent);
  if (standing === undefined) return renderError(INVALID_CLIENT);
  const { server } = exchanger.value;
  const minted = await sessionObject(c.env, c.var.tenant.issuer, subject.value.session_id).exchange({
    token: subject.value,
    proof: proof.value.oneTime,
    standing,
    ask: {
      subject: subjectOf(subject.value, c.var.tenant.issuer),
      exchanger: server === undefined ? { kind: "agent" } : { kind: "server", resource: server.resource },
      target: asked.value.target,
      requested: asked.value.requested,
      expiresInSeconds: asked.value.expiresInSeconds,
    },
    mint: { jti: newId(ID_PREFIXES.token), jkt: proof.value.jkt, actor: server?.id },
  });
  if (!minted.ok) return renderError(mintError(minted.error, c));
  return answer(c, minted.value, { audience: asked.value.target.audience, actor: server?.id });
}

/**
 * Who exchanges. The agent is known by the key in its session token, which it proves here; a server
 * by a client assertion, because the token it was given is bound to a key that it cannot have.
 */
async function identifyExchanger(
  c: Handling,
  form: Form,
  subject: AccessToken,
  proof: Proof,
): Promise<Result<{ server?: { id: string; resource: string } }, WireError>> {
  const presentsAssertion = form.has("client_assertion") || form.has("client_assertion_type");
  if (!presentsAssertion && !isSessionToken(subject, c.var.tenant.issuer)) {
    const registered = c.var.tenant.tenant.agents.has(form.get("client_id") ?? subject.client_id);
    // The holder of an access token is either its server, which must say who it is, or the agent, which may not exchange it.
    return err(registered && proof.jkt === subject.jkt ? exchangeError("wrong_subject") : INVALID_CLIENT);
  }
  const client: Result<AuthenticatedClient | undefined, WireError> = presentsAssertion
    ? await authenticateForm(c, form)
    : ok(undefined);
  if (!client.ok) return client;
  if (client.value?.kind === "server") {
    const server = c.var.tenant.tenant.servers.get(client.value.id);
    return server === undefined ? err(INVALID_CLIENT) : ok({ server: { id: server.id, resource: server.resource } });
  }
  const clientId = client.value?.id ?? form.get("client_id") ?? subject.client_id;
  if (clientId !== subject.client_id) return err(SUBJECT_INVALID);
  if (c.req.header("authorization") !== undefined)
    return err(invalidRequest("send the session token as subject_token, and no Authorization header"));
  if (proof.jkt !== subject.jkt) return err(proofErrorAtServer("invalid", freshNonce(c, "as")));
  return ok({});
}

function subjectOf(token: AccessToken, issuer: string): Subject {
  if (isSessionToken(token, issuer)) return { kind: "session" };
  const { audience, authorization_details, expires_at, actor } = token;
  return { kind: "access", audience, authorization_details, expires_at, delegated: actor !== undefined };
}

/** Signs what the session has decided and recorded. */
async function answer(
  c: Handling,
  minting: Minting,
  to: { audience?: string; actor?: string | undefined },
): Promise<Response> {
  const { issuer } = c.var.tenant;
  const now = nowSeconds();
  const claims: AccessTokenClaims = {
    iss: issuer,
    sub: minting.sub,
    aud: to.audience ?? issuer,
    client_id: to.actor ?? minting.client_id,
    iat: now,
    exp: minting.expires_at,
    jti: minting.jti,
    sid: minting.session_id,
    cnf: { jkt: minting.jkt },
    authorization_details: minting.authorization_details,
    grant_digest: minting.grant_digest,
    ...(to.actor === undefined ? {} : { act: { sub: to.actor }, agent: minting.client_id }),
  };
  const body = {
    access_token: await signToken(signingKey(c.var.tenant, "access_token"), claims),
    token_type: "DPoP",
    expires_in: minting.expires_at - now,
    authorization_details: minting.authorization_details,
    ...(to.audience === undefined ? { session_id: minting.session_id } : { issued_token_type: ACCESS_TOKEN_TYPE }),
  };
  return c.json(body, 200, { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") });
}

/** An agent that tries to renew is refused by name, and it is written down who it was if that can be known. */
async function refuseRenewal(c: Handling, form: Form): Promise<Response> {
  const held = form.get("refresh_token");
  if (held !== undefined || assertionOf(form).client_assertion === undefined) {
    return refuseHolder(c, held, "refresh_token_grant", UNSUPPORTED_GRANT);
  }
  const client = await authenticateForm(c, form);
  return client.ok
    ? refuseClient(c, client.value, "refresh_token_grant", UNSUPPORTED_GRANT)
    : renderError(UNSUPPORTED_GRANT);
}

/** Refuses, and writes it into the session whose token was presented, if it is one. */
async function refuseHolder(
  c: Handling,
  presented: string | undefined,
  reason: string,
  error: WireError,
): Promise<Response> {
  const held = await verifyAccessToken(presented ?? "", c.var.tenant, nowSeconds());
  if (held.ok) {
    const { session_id, jti } = held.value;
    await sessionObject(c.env, c.var.tenant.issuer, session_id).refuse(reason, { jti });
  }
  return renderError(error);
}

/** Refuses, and writes it into the log of a client that has authenticated. */
async function refuseClient(
  c: Handling,
  client: AuthenticatedClient,
  reason: string,
  error: WireError,
): Promise<Response> {
  const { issuer } = c.var.tenant;
  await agentObject(c.env, issuer, client.id).refuse({ issuer, client_id: client.id }, reason);
  return renderError(error);
}

function mintError(fault: UseFault | Parameters<typeof exchangeError>[0], c: Handling): WireError {
  switch (fault) {
    case "unknown_session":
    case "ended":
    case "not_redeemed":
    case "token_revoked":
      return SUBJECT_INVALID;
    case "replayed":
    case "stale":
      return proofErrorAtServer("invalid", freshNonce(c, "as"));
    case "overloaded":
      return UNAVAILABLE;
    default:
      return exchangeError(fault);
  }
}

const UNSUPPORTED_GRANT: WireError = {
  status: 400,
  error: "unsupported_grant_type",
  description: `only ${CIBA_GRANT} and ${TOKEN_EXCHANGE_GRANT} are offered; a session is never renewed: open a new one, which a human must approve`,
};
const NO_SCOPES: WireError = {
  status: 400,
  error: "invalid_scope",
  description:
    "Stint knows no scopes, and no offline_access; for more time open a new session, which a human must approve",
};

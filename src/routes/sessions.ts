import { Hono } from "hono";
import type { Json } from "../domain/canonical-json.ts";
import { readJsonObject } from "../protocol/body.ts";
import { readIdempotencyKey, readSessionRequest } from "../protocol/session-request.ts";
import { NO_STORE, renderError, type WireError } from "../protocol/wire-error.ts";
import { identifyClient, useAssertion } from "./client.ts";
import type { App, Handling } from "./http.ts";
import { noQuery } from "./no-query.ts";
import { agentObject, sessionObject } from "./objects.ts";
import { bearingAtSession, challengeOf, freshNonce, proofAtServer } from "./proof.ts";
import { pollingAnswer, requestSession, sessionAskError } from "./request-session.ts";
import { useErrorAtResource } from "./session-errors.ts";
import { sessionView } from "./session-view.ts";

/** The agent's own surface: ask for a session, look at it, end it. */
export const sessions = new Hono<App>()
  .post("/sessions", noQuery, async (c) => {
    const body = await readJsonObject(c.req.raw);
    if (!body.ok) return renderError(body.error);
    const asked = readSessionRequest(body.value);
    if (!asked.ok) return refuseRequest(c, body.value, asked.error);
    const idempotencyKey = readIdempotencyKey(c.req.header("idempotency-key") ?? null);
    if (!idempotencyKey.ok) return renderError(idempotencyKey.error);
    const client = await identifyClient(c, asked.value.assertion);
    if (!client.ok) return renderError(client.error);
    if (client.value.kind !== "agent") return renderError(NOT_AN_AGENT);
    const proof = await proofAtServer(c, "/sessions");
    if (!proof.ok) return renderError(proof.error);
    const { task, user, authorization_details, expires_in } = asked.value;
    const requested = await requestSession(c, {
      client: client.value,
      oneTime: [proof.value.oneTime],
      task,
      user,
      authorization_details,
      expires_in,
      jkt: proof.value.jkt,
      idempotencyKey: idempotencyKey.value,
    });
    if (!requested.ok) return renderError(sessionAskError(requested.error, c));
    const { session_id } = requested.value;
    const answer = { session_id, ...pollingAnswer(requested.value, c) };
    return c.json(answer, 202, { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") });
  })
  .get("/sessions/:id", noQuery, async (c) => {
    const id = c.req.param("id");
    const bearing = await bearingAtSession(c, `/sessions/${id}`);
    if (!bearing.ok) return renderError(bearing.error);
    const { token, proof } = bearing.value;
    if (token.session_id !== id) return renderError(NO_SUCH_SESSION);
    const described = await sessionObject(c.env, c.var.tenant.issuer, id).describe(token, proof.oneTime);
    if (!described.ok) return renderError(useErrorAtResource(described.error, challengeOf(c, c.var.tenant.issuer)));
    return c.json(sessionView(described.value), 200, { ...NO_STORE, "dpop-nonce": freshNonce(c, "resource") });
  })
  .post("/sessions/:id/end", noQuery, (c) => (c.req.header("authorization") === undefined ? withdraw(c) : complete(c)));

/** A request that cannot be read is refused; one that asks for offline_access by name is written down too. */
async function refuseRequest(
  c: Handling,
  body: { readonly [name: string]: Json },
  error: WireError,
): Promise<Response> {
  const { client_assertion_type, client_assertion, scope } = body;
  if (scope !== undefined) {
    const presented = {
      client_assertion_type: textOf(client_assertion_type),
      client_assertion: textOf(client_assertion),
    };
    const client = await identifyClient(c, presented);
    const { issuer } = c.var.tenant;
    if (client.ok && (await useAssertion(c, client.value)).ok) {
      await agentObject(c.env, issuer, client.value.id).refuse({ issuer, client_id: client.value.id }, "scope_asked");
    }
  }
  return renderError(error);
}

/** The agent is done with an active session: it shows its session token. */
async function complete(c: Handling): Promise<Response> {
  const id = c.req.param("id") ?? "";
  const bearing = await bearingAtSession(c, `/sessions/${id}/end`);
  if (!bearing.ok) return renderError(bearing.error);
  const { token, proof } = bearing.value;
  if (token.session_id !== id) return renderError(NO_SUCH_SESSION);
  const finished = await sessionObject(c.env, c.var.tenant.issuer, id).finish(token.client_id, proof.oneTime);
  if (!finished.ok) return renderError(useErrorAtResource(finished.error, challengeOf(c, c.var.tenant.issuer)));
  return c.json(sessionView(finished.value), 200, NO_STORE);
}

/** The agent takes back a request that nobody decided yet: it has no token, so it authenticates as a client. */
async function withdraw(c: Handling): Promise<Response> {
  const id = c.req.param("id") ?? "";
  const body = await readJsonObject(c.req.raw);
  if (!body.ok) return renderError(body.error);
  const { client_assertion_type, client_assertion } = body.value;
  const client = await identifyClient(c, {
    client_assertion_type: textOf(client_assertion_type),
    client_assertion: textOf(client_assertion),
  });
  if (!client.ok) return renderError(client.error);
  const { issuer } = c.var.tenant;
  const used = await useAssertion(c, client.value);
  if (!used.ok) return renderError(used.error);
  if (!(await agentObject(c.env, issuer, client.value.id).hasAsked(id))) return renderError(NO_SUCH_SESSION);
  const finished = await sessionObject(c.env, issuer, id).withdraw(client.value.id);
  if (!finished.ok) return renderError(finished.error === "not_pending" ? NOT_PENDING : NO_SUCH_SESSION);
  return c.json(sessionView(finished.value), 200, NO_STORE);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export const NO_SUCH_SESSION: WireError = {
  status: 404,
  error: "not_found",
  description: "there is no such session for this client",
};
const NOT_PENDING: WireError = {
  status: 409,
  error: "invalid_request",
  description: "the session is not waiting for a decision; end an active one with its session token",
};
export const NOT_AN_AGENT: WireError = {
  status: 400,
  error: "unauthorized_client",
  description: "only an agent may ask for a session",
};

import { Hono } from "hono";
import { digestOf } from "../crypto/hash.ts";
import { newId } from "../crypto/random.ts";
import { matchCode, requestHandle } from "../crypto/request-handle.ts";
import type { Json } from "../domain/canonical-json.ts";
import { ID_PREFIXES, isSessionId } from "../domain/ids.ts";
import { labelsFor } from "../domain/labels.ts";
import { judgeAsk, type ApprovalPlan } from "../domain/policy.ts";
import type { SessionRequest } from "../domain/request.ts";
import { POLL_INTERVAL_SECONDS } from "../domain/session.ts";
import type { AdmitFault } from "../durable/agent.ts";
import { readJsonObject } from "../protocol/body.ts";
import { proofErrorAtServer } from "../protocol/dpop.ts";
import { askError, readIdempotencyKey, readSessionRequest, type AskedSession } from "../protocol/session-request.ts";
import { NO_STORE, renderError, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { identifyClient, useAssertion } from "./client.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { agentObject, sessionObject } from "./objects.ts";
import { bearingAtSession, freshNonce, proofAtServer } from "./proof.ts";
import { useErrorAtResource } from "./session-errors.ts";
import { sessionView } from "./session-view.ts";

/** The agent's own surface: ask for a session, look at it, end it. */
export const sessions = new Hono<App>()
  .post("/sessions", async (c) => {
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
    const plan = judgeAsk(c.var.tenant.tenant, {
      clientId: client.value.id,
      details: asked.value.authorization_details,
      expiresInSeconds: asked.value.expires_in,
      user: asked.value.user,
    });
    const { issuer } = c.var.tenant;
    const identity = { issuer, client_id: client.value.id };
    const agent = agentObject(c.env, issuer, client.value.id);
    if (!plan.ok) {
      const used = await agent.consume(identity, [client.value.oneTime, proof.value.oneTime]);
      if (!used.ok) return renderError(admitError({ reason: used.error }, c));
      await agent.refuse(identity, plan.error.reason);
      return renderError(askError(plan.error));
    }
    const admitted = await agent.admit({
      identity,
      oneTime: [client.value.oneTime, proof.value.oneTime],
      idempotencyKey: idempotencyKey.value,
      contentDigest: digestOf({ jkt: proof.value.jkt, ...contentOf(asked.value) }),
      sessionId: newId(ID_PREFIXES.session),
    });
    if (!admitted.ok) return renderError(admitError(admitted.error, c));
    const { session_id, requested_at } = admitted.value;
    const request: SessionRequest = {
      issuer,
      session_id,
      client_id: client.value.id,
      jkt: proof.value.jkt,
      ...contentOf(asked.value),
      requested_at,
    };
    return openSession(c, request, plan.value);
  })
  .get("/sessions/:id", async (c) => {
    const id = c.req.param("id");
    const bearing = await bearingAtSession(c, `/sessions/${id}`);
    if (!bearing.ok) return renderError(bearing.error);
    const { token, proof } = bearing.value;
    if (token.session_id !== id) return renderError(NO_SUCH_SESSION);
    const described = await sessionObject(c.env, c.var.tenant.issuer, id).describe(token, proof.oneTime);
    if (!described.ok) return renderError(useErrorAtResource(described.error, freshNonce(c, "resource")));
    return c.json(sessionView(described.value), 200, { ...NO_STORE, "dpop-nonce": freshNonce(c, "resource") });
  })
  .post("/sessions/:id/end", (c) => (c.req.header("authorization") === undefined ? withdraw(c) : complete(c)));

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

/** What is asked, without who asks and when: two requests that agree in this are the same request. */
function contentOf({ task, user, authorization_details, expires_in }: AskedSession) {
  return { task, ...(user === undefined ? {} : { user }), authorization_details, expires_in };
}

async function openSession(c: Handling, request: SessionRequest, plan: ApprovalPlan): Promise<Response> {
  const { issuer, config, tenant } = c.var.tenant;
  const { session_id } = request;
  const code = matchCode(config.kek, issuer, session_id);
  const opened = await sessionObject(c.env, issuer, session_id).open({
    request,
    requestDigest: digestOf(request),
    plan,
    setting: { issuer, labels: labelsFor(tenant, request), match_code: code },
    channels: Object.entries(tenant.document.notify)
      .filter(([, channel]) => channel !== undefined)
      .map(([name]) => name),
  });
  const body = {
    session_id,
    auth_req_id: requestHandle(config.kek, issuer, session_id),
    expires_in: Math.max(0, opened.request_expires_at - nowSeconds()),
    interval: POLL_INTERVAL_SECONDS,
    match_code: code,
  };
  return c.json(body, 202, { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") });
}

/** The agent is done with an active session: it shows its session token. */
async function complete(c: Handling): Promise<Response> {
  const id = c.req.param("id") ?? "";
  const bearing = await bearingAtSession(c, `/sessions/${id}/end`);
  if (!bearing.ok) return renderError(bearing.error);
  const { token, proof } = bearing.value;
  if (token.session_id !== id) return renderError(NO_SUCH_SESSION);
  const finished = await sessionObject(c.env, c.var.tenant.issuer, id).finish(token.client_id, proof.oneTime);
  if (!finished.ok) return renderError(useErrorAtResource(finished.error, freshNonce(c, "resource")));
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
  if (!isSessionId(id)) return renderError(NO_SUCH_SESSION);
  const finished = await sessionObject(c.env, issuer, id).withdraw(client.value.id);
  if (!finished.ok) return renderError(finished.error === "not_pending" ? NOT_PENDING : NO_SUCH_SESSION);
  return c.json(sessionView(finished.value), 200, NO_STORE);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function admitError(fault: AdmitFault, c: Handling): WireError {
  switch (fault.reason) {
    case "replayed":
    case "stale":
      return {
        ...proofErrorAtServer("invalid", freshNonce(c, "as")),
        description: "the DPoP proof or the client assertion was used before; make fresh ones for each request",
      };
    case "overloaded":
      return UNAVAILABLE;
    case "idempotency_conflict":
      return {
        status: 422,
        error: "invalid_request",
        description: "this Idempotency-Key came with another request before; use a new one",
      };
    case "too_often":
    case "too_many_pending":
      return {
        status: 429,
        error: "slow_down",
        description: "too many requests of this agent; wait until some were decided",
        headers: { "retry-after": String(fault.retryAfter) },
      };
    case "suspended":
      return {
        status: 403,
        error: "access_denied",
        description: "this agent is suspended after repeated denials",
        headers: { "retry-after": String(fault.retryAfter) },
      };
  }
}

const NO_SUCH_SESSION: WireError = {
  status: 404,
  error: "not_found",
  description: "there is no such session for this client",
};
const NOT_PENDING: WireError = {
  status: 409,
  error: "invalid_request",
  description: "the session is not waiting for a decision; end an active one with its session token",
};
const NOT_AN_AGENT: WireError = {
  status: 400,
  error: "unauthorized_client",
  description: "only an agent may ask for a session",
};

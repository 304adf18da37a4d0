import { newId } from "../../crypto/random.ts";
import { limitedNow } from "../../domain/policy.ts";
import type { ExchangeAsk, Subject } from "../../domain/exchange.ts";
import { ID_PREFIXES } from "../../domain/ids.ts";
import { registrationOf } from "../../domain/registration.ts";
import { err, ok, type Result } from "../../domain/result.ts";
import { isSessionToken, verifyAccessToken, type AccessToken } from "../../protocol/access-token.ts";
import type { Form } from "../../protocol/body.ts";
import { INVALID_CLIENT } from "../../protocol/client-assertion.ts";
import { proofErrorAtServer, type Proof } from "../../protocol/dpop.ts";
import {
  ACCESS_TOKEN_TYPE,
  exchangeError,
  readExchangeRequest,
  SUBJECT_INVALID,
  verifyActorToken,
} from "../../protocol/token-exchange.ts";
import { invalidRequest, renderError, type WireError } from "../../protocol/wire-error.ts";
import { assertionOf, identifyClient, useAssertion, type AuthenticatedClient } from "../client.ts";
import { nowSeconds, type Handling } from "../http.ts";
import { presented, sessionObject, standingOf } from "../objects.ts";
import { freshNonce, proofAtServer } from "../proof.ts";
import { refuseUnproved } from "../mcp-signature.ts";
import { answerToken, refuseHolder, TOKEN_PATH } from "../token-answer.ts";
import { mintError } from "./exchange-errors.ts";
import { handOut, ONLY_SERVERS } from "./hand-out.ts";

/** RFC 8693: one audience more, never wider, never longer. */
export async function exchangeToken(c: Handling, form: Form): Promise<Response> {
  const asked = readExchangeRequest(form, c.var.tenant);
  if (!asked.ok) return refuseHolder(c, form.get("subject_token"), asked.error.error, asked.error);
  const { subjectToken, actorToken, target, asksUpstreamToken, requested, expiresInSeconds } = asked.value;
  const subject = await verifyAccessToken(subjectToken, c.var.tenant, nowSeconds());
  if (!subject.ok) return renderError(SUBJECT_INVALID);
  const proof = await proofAtServer(c, TOKEN_PATH);
  if (!proof.ok) return renderError(proof.error);
  const exchanger = await identifyExchanger(c, form, subject.value, proof.value, actorToken);
  if (!exchanger.ok) return refuseHolder(c, subjectToken, "exchange_by_wrong_party", exchanger.error);
  const standing = standingOf(c.var.tenant, subject.value.agent);
  if (standing === undefined) return renderError(INVALID_CLIENT);
  const unproved = await refuseUnproved(c, target);
  if (unproved !== undefined) return refuseHolder(c, subjectToken, "definitions_not_proved", unproved);
  const { server } = exchanger.value;
  if (asksUpstreamToken && server === undefined)
    return refuseHolder(c, subjectToken, "hand_out_to_agent", ONLY_SERVERS);
  const use = { token: presented(subject.value), proof: proof.value.oneTime, standing };
  const ask: ExchangeAsk = {
    subject: subjectOf(subject.value, c.var.tenant.issuer),
    exchanger: server === undefined ? { kind: "agent" } : { kind: "server", resource: server.resource },
    target,
    requested,
    expiresInSeconds,
    limitedNow: limitedNow(c.var.tenant.tenant, subject.value.agent, target),
  };
  if (asksUpstreamToken && server !== undefined)
    return handOut(c, subject.value.session_id, { ...use, ask, server: server.id }, form.has("scope"));
  const minted = await sessionObject(c.env, c.var.tenant.issuer, subject.value.session_id).exchange({
    ...use,
    ask,
    mint: { jti: newId(ID_PREFIXES.token), jkt: proof.value.jkt, actor: server?.id },
  });
  if (!minted.ok) return renderError(mintError(minted.error, form.has("scope"), c));
  return answerToken(c, minted.value, { issued_token_type: ACCESS_TOKEN_TYPE }, server?.id);
}

interface Exchanger {
  readonly server?: { readonly id: string; readonly resource: string };
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
  actorToken: string | undefined,
): Promise<Result<Exchanger, WireError>> {
  if (subject.actor !== undefined) return err(exchangeError("second_hop"));
  const authenticates = ["client_assertion", "client_assertion_type", "client_secret"].some((name) => form.has(name));
  if (!authenticates && !isSessionToken(subject, c.var.tenant.issuer)) {
    const registered = registrationOf(c.var.tenant.tenant, form.get("client_id") ?? subject.client_id) !== undefined;
    // The holder of an access token is either its server, which must say who it is, or the agent, which may not exchange it.
    return err(registered && proof.jkt === subject.jkt ? exchangeError("wrong_subject") : INVALID_CLIENT);
  }
  const client: Result<AuthenticatedClient | undefined, WireError> = authenticates
    ? await identifyClient(c, assertionOf(form))
    : ok(undefined);
  if (!client.ok) return client;
  if (client.value?.kind === "server") return identifyServer(c, client.value, actorToken);
  if (client.value !== undefined) {
    const used = await useAssertion(c, client.value);
    if (!used.ok) return used;
  }
  if (actorToken !== undefined)
    return err(invalidRequest("an agent acts for itself and for nobody else: only a server sends actor_token"));
  const clientId = client.value?.id ?? form.get("client_id") ?? subject.client_id;
  if (clientId !== subject.client_id) return err(SUBJECT_INVALID);
  if (c.req.header("authorization") !== undefined)
    return err(invalidRequest("send the session token as subject_token, and no Authorization header"));
  if (proof.jkt !== subject.jkt) return err(proofErrorAtServer("invalid", freshNonce(c, "as")));
  return ok({});
}

async function identifyServer(
  c: Handling,
  client: AuthenticatedClient,
  actorToken: string | undefined,
): Promise<Result<Exchanger, WireError>> {
  const { tenant, issuer } = c.var.tenant;
  const server = tenant.servers.get(client.id);
  if (server === undefined) return err(INVALID_CLIENT);
  const actor =
    actorToken === undefined ? ok(undefined) : await verifyActorToken(actorToken, client, issuer, nowSeconds());
  if (!actor.ok) return actor;
  const used = await useAssertion(c, client, actor.value === undefined ? [] : [actor.value]);
  return used.ok ? ok({ server: { id: server.id, resource: server.resource } }) : used;
}

function subjectOf(token: AccessToken, issuer: string): Subject {
  if (isSessionToken(token, issuer)) return { kind: "session" };
  const { audience, authorization_details, expires_at, actor } = token;
  return { kind: "access", audience, authorization_details, expires_at, delegated: actor !== undefined };
}

import type { Client } from "../clients.ts";
import type { AccessDetail } from "../domain/access.ts";
import type { Target } from "../domain/exchange.ts";
import { allowsNow, judgeAsk, policiesOf } from "../domain/policy.ts";
import { isLoopback, isRegisteredRedirect } from "../domain/redirect-uri.ts";
import type { CodeFlow } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { allowedTools, usualAccess, usualReading } from "../domain/usual-access.ts";
import { INVALID_SCOPE } from "../protocol/authorization-details.ts";
import { readAuthorizationRequest, type AuthorizationRequest } from "../protocol/authorization-request.ts";
import type { Form } from "../protocol/body.ts";
import { askError } from "../protocol/session-request.ts";
import { findTarget } from "../protocol/token-exchange.ts";
import { invalidRequest, type WireError } from "../protocol/wire-error.ts";
import { nowSeconds, type Handling } from "./http.ts";

/** An authorization request that a human may be asked about. */
export interface JudgedAuthorization {
  readonly request: AuthorizationRequest;
  readonly details: readonly AccessDetail[];
  readonly codeFlow: CodeFlow;
}

/** A refusal, and where it may be reported: only to an address that is surely the client's. */
export interface AuthorizationFault {
  readonly error: WireError;
  readonly redirectUri?: string;
  readonly state?: string | undefined;
}

/**
 * Judges an authorization request in the order of RFC 6749 §4.1.2.1: first what decides where an
 * error may go, then the rest. The same for a pushed request, so that one is refused when it is
 * pushed and not in front of a human.
 */
export function judgeAuthorization(
  c: Handling,
  client: Client,
  form: Form,
): Result<JudgedAuthorization, AuthorizationFault> {
  if ((form.get("client_id") ?? client.id) !== client.id)
    return err({ error: invalidRequest("client_id is another's") });
  const redirectUri = form.get("redirect_uri");
  if (client.kind !== "agent") return err({ error: NOT_FOR_SERVERS });
  if (redirectUri === undefined || !isRegisteredRedirect(redirectUri, client.redirectUris))
    return err({ error: invalidRequest("redirect_uri is missing or not one that the client registered") });
  const refuse = (error: WireError) => err({ error, redirectUri, state: form.get("state") });
  const request = readAuthorizationRequest(form);
  if (!request.ok) return refuse(request.error);
  const { resource, code_challenge } = request.value;
  const { tenant, issuer } = c.var.tenant;
  const target = resource === undefined || resource === issuer ? ok(undefined) : findTarget(resource, c.var.tenant);
  if (!target.ok) return refuse(target.error);
  const asked = request.value.authorization_details;
  const details =
    asked === undefined ? usualAt(c, client, target.value) : askedAt(c, client, target.value, asked, form);
  if (details.length === 0) return refuse(INVALID_SCOPE);
  const wanted = { client_id: client.id, details, expiresInSeconds: request.value.expires_in, resource };
  const judged = judgeAsk(tenant, wanted, nowSeconds());
  if (!judged.ok) return refuse(askError(judged.error));
  if (request.value.silent) return refuse(INTERACTION_REQUIRED);
  const codeFlow: CodeFlow = {
    redirect_uri: redirectUri,
    code_challenge,
    ...(resource === undefined ? {} : { resource }),
    bearer: client.mayUseBearer && request.value.dpop_jkt === undefined && takesBearer(c, target.value),
    loopback_only: client.redirectUris.every(isLoopback),
  };
  return ok({ request: request.value, details, codeFlow });
}

/** `authorization_details` mean what they say; a scope is a list that the client was shown. */
function askedAt(
  c: Handling,
  client: Client,
  target: Target | undefined,
  asked: readonly AccessDetail[],
  form: Form,
): readonly AccessDetail[] {
  const { tenant } = c.var.tenant;
  const server = target?.kind === "server" ? tenant.servers.get(target.id) : undefined;
  if (server === undefined || form.has("authorization_details")) return asked;
  return allowedTools(asked, server, (unit) => allowsNow(tenant, client.id, unit));
}

function usualAt(c: Handling, client: Client, target: Target | undefined): AccessDetail[] {
  const { tenant } = c.var.tenant;
  if (target?.kind === "stint") return usualReading(tenant, policiesOf(tenant, client.id));
  const server = target?.kind === "server" ? tenant.servers.get(target.id) : undefined;
  return server === undefined ? [] : usualAccess(server, (unit) => allowsNow(tenant, client.id, unit));
}

/** Both sides must have been told in words: the client, and the server that is shown such a token. */
export function takesBearer(c: Handling, target: Target | undefined): boolean {
  const server = target?.kind === "server" ? c.var.tenant.tenant.servers.get(target.id) : undefined;
  // The gateway in front of such a server wants proofs all the same.
  return server?.dpop_bound_access_tokens_required === false && target?.audience === server.resource;
}

const NOT_FOR_SERVERS: WireError = {
  status: 400,
  error: "unauthorized_client",
  description: "only an agent may ask for a session",
};
const INTERACTION_REQUIRED: WireError = {
  status: 400,
  error: "interaction_required",
  description: "a human approves every session, so prompt=none can never succeed",
};

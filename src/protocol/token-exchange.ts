import type { AccessDetail } from "../domain/access.ts";
import type { CompiledTenant } from "../domain/compiled-tenant.ts";
import type { ExchangeFault, Target } from "../domain/exchange.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readAuthorizationDetailsText } from "./authorization-details.ts";
import type { Form } from "./body.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

export const ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";

/** A token exchange request, RFC 8693 §2.1, as far as it can be read without believing any token. */
export interface ExchangeRequest {
  readonly subjectToken: string;
  readonly target: Target;
  readonly requested?: readonly AccessDetail[] | undefined;
  readonly expiresInSeconds?: number | undefined;
}

const NEW_SESSION = "to go on after the session ends, open a new session, which a human must approve";

/** Reads the parameters in the order of RFC 8693 §2.1. */
export function readExchangeRequest(form: Form, tenant: CompiledTenant): Result<ExchangeRequest, WireError> {
  const target = readTarget(form, tenant);
  if (!target.ok) return target;
  if (form.has("scope")) {
    return err({
      status: 400,
      error: "invalid_scope",
      description: `Stint knows no scopes, and no offline_access: narrow with authorization_details; ${NEW_SESSION}`,
    });
  }
  const requestedType = form.get("requested_token_type");
  if (requestedType !== undefined && requestedType !== ACCESS_TOKEN_TYPE) {
    return err(
      invalidRequest(
        `requested_token_type can only be ${ACCESS_TOKEN_TYPE}; there are no refresh tokens: ${NEW_SESSION}`,
      ),
    );
  }
  const subjectToken = form.get("subject_token");
  if (subjectToken === undefined) return err(invalidRequest("subject_token is missing"));
  if (form.get("subject_token_type") !== ACCESS_TOKEN_TYPE)
    return err(invalidRequest(`subject_token_type must be ${ACCESS_TOKEN_TYPE}`));
  if (form.has("actor_token") || form.has("actor_token_type")) {
    return err(invalidRequest("actor_token is not taken: a server is the actor by authenticating as itself"));
  }
  const details = form.get("authorization_details");
  const requested = details === undefined ? ok(undefined) : readAuthorizationDetailsText(details);
  if (!requested.ok) return requested;
  const expiresIn = readExpiresIn(form.get("expires_in"));
  if (!expiresIn.ok) return expiresIn;
  return ok({ subjectToken, target: target.value, requested: requested.value, expiresInSeconds: expiresIn.value });
}

/** One audience, named by `resource` or `audience` or by both alike. RFC 8693 §2.1, RFC 8707 §2. */
function readTarget(form: Form, tenant: CompiledTenant): Result<Target, WireError> {
  const [resource, audience] = [form.get("resource"), form.get("audience")];
  const named = resource ?? audience;
  if (named === undefined)
    return err(invalidTarget("name one audience: a registered server's resource, or {issuer}/proxy/{upstream}"));
  if (resource !== undefined && audience !== undefined && resource !== audience)
    return err(invalidTarget("resource and audience disagree"));
  const { issuer } = tenant.document;
  const prefix = `${issuer}/proxy/`;
  if (named.startsWith(prefix)) {
    const id = named.slice(prefix.length);
    if (tenant.upstreams.has(id)) return ok({ kind: "upstream", id, audience: named });
  }
  const server = tenant.document.servers.find((candidate) => candidate.resource === named);
  if (server === undefined)
    return err(invalidTarget("that audience is neither a registered server's resource nor {issuer}/proxy/{upstream}"));
  const tools = Object.fromEntries(Object.entries(server.tools).map(([name, tool]) => [name, tool.operations]));
  return ok({ kind: "server", id: server.id, audience: server.resource, tools });
}

function readExpiresIn(text: string | undefined): Result<number | undefined, WireError> {
  if (text === undefined) return ok(undefined);
  return /^[1-9][0-9]{0,8}$/.test(text)
    ? ok(Number(text))
    : err(invalidRequest("expires_in must be a number of seconds"));
}

function invalidTarget(description: string): WireError {
  return { status: 400, error: "invalid_target", description };
}

/** What the refusals of an exchange look like, RFC 8693 §2.2.2 and RFC 9396 §5. */
export function exchangeError(fault: ExchangeFault): WireError {
  switch (fault) {
    case "wrong_subject":
      return invalidRequest(
        `an agent exchanges its session token, a server the access token it was given; a token that was itself exchanged is no subject: ${NEW_SESSION}`,
      );
    case "second_hop":
      return invalidRequest("a token that a server obtained by exchange cannot be exchanged again");
    case "not_the_audience":
      return invalidRequest("the subject token was not issued for this server");
    case "subject_expired":
      return SUBJECT_INVALID;
    case "invalid_target":
      return invalidTarget(
        "the session was granted nothing for that audience, or the trust policy no longer allows it",
      );
    case "wider_than_subject":
      return {
        status: 400,
        error: "invalid_authorization_details",
        description: "authorization_details goes beyond what the subject token holds for that audience",
      };
    case "outlives_session":
      return invalidRequest(`expires_in goes beyond what the session and its tokens are allowed; ${NEW_SESSION}`);
  }
}

/** One answer for every subject token that is not good (any more). */
export const SUBJECT_INVALID: WireError = invalidRequest(
  `the subject token is not valid, or its session has ended: ${NEW_SESSION}`,
);

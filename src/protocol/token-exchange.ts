import type { AccessDetail } from "../domain/access.ts";
import type { ExchangeFault, Target } from "../domain/exchange.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { INVALID_SCOPE, readAskedAccess } from "./authorization-details.ts";
import type { PublicJwk, Server } from "../domain/tenant.ts";
import { definitionsOf, isHeld } from "../domain/tool-definitions.ts";
import type { TenantContext } from "../tenancy.ts";
import type { Form } from "./body.ts";
import type { OneTimeClaim } from "./client-assertion.ts";
import { isJti, isPresent, verifyClientJwt } from "./client-jwt.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

export const ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";
/** An upstream's own token, encrypted to the server that asks for it. */
export const UPSTREAM_TOKEN_TYPE = "urn:stint:params:oauth:token-type:upstream_token";
const JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt";

/** A token exchange request, RFC 8693 §2.1, as far as it can be read without believing any token. */
export interface ExchangeRequest {
  readonly subjectToken: string;
  /** The statement of a server that it is the one that acts; see {@link verifyActorToken}. */
  readonly actorToken?: string | undefined;
  readonly target: Target;
  /** Whether it asks for the upstream's own token, in place of one of ours. */
  readonly asksUpstreamToken: boolean;
  readonly requested?: readonly AccessDetail[] | undefined;
  readonly expiresInSeconds?: number | undefined;
}

const NEW_SESSION = "to go on after the session ends, open a new session, which a human must approve";

/** Reads the parameters in the order of RFC 8693 §2.1. */
export function readExchangeRequest(form: Form, tenant: TargetContext): Result<ExchangeRequest, WireError> {
  const target = readTarget(form, tenant);
  if (!target.ok) return target;
  const requestedType = form.get("requested_token_type");
  if (requestedType !== undefined && requestedType !== ACCESS_TOKEN_TYPE && requestedType !== UPSTREAM_TOKEN_TYPE) {
    return err(
      invalidRequest(
        `requested_token_type can only be ${ACCESS_TOKEN_TYPE}, or ${UPSTREAM_TOKEN_TYPE} for a server; there are no refresh tokens: ${NEW_SESSION}`,
      ),
    );
  }
  const asksUpstreamToken = requestedType === UPSTREAM_TOKEN_TYPE;
  if (asksUpstreamToken && target.value.kind !== "upstream")
    return err(invalidTarget("only an upstream has a token of its own: name {issuer}/proxy/{upstream}"));
  if (asksUpstreamToken && form.has("expires_in"))
    return err(invalidRequest("the upstream says how long its own token lives: leave expires_in out"));
  const subjectToken = form.get("subject_token");
  if (subjectToken === undefined) return err(invalidRequest("subject_token is missing"));
  if (form.get("subject_token_type") !== ACCESS_TOKEN_TYPE)
    return err(invalidRequest(`subject_token_type must be ${ACCESS_TOKEN_TYPE}`));
  const actorToken = form.get("actor_token");
  if ((actorToken === undefined) !== (form.get("actor_token_type") === undefined))
    return err(invalidRequest("actor_token and actor_token_type come together"));
  if (actorToken !== undefined && form.get("actor_token_type") !== JWT_TYPE)
    return err(invalidRequest(`actor_token_type must be ${JWT_TYPE}`));
  if (actorToken !== undefined && actorToken === subjectToken)
    return err(invalidRequest("actor_token and subject_token are the same"));
  const requested = readAskedAccess(form);
  if (!requested.ok) return requested;
  const expiresIn = readExpiresIn(form.get("expires_in"));
  if (!expiresIn.ok) return expiresIn;
  return ok({
    subjectToken,
    actorToken,
    target: target.value,
    asksUpstreamToken,
    requested: requested.value,
    expiresInSeconds: expiresIn.value,
  });
}

/** One audience, named by `resource` or `audience` or by both alike. RFC 8693 §2.1, RFC 8707 §2. */
function readTarget(form: Form, tenant: TargetContext): Result<Target, WireError> {
  const [resource, audience] = [form.get("resource"), form.get("audience")];
  const named = resource ?? audience;
  if (named === undefined)
    return err(invalidTarget("name one audience: a registered server's resource, or {issuer}/proxy/{upstream}"));
  if (resource !== undefined && audience !== undefined && resource !== audience)
    return err(invalidTarget("resource and audience disagree"));
  return findTarget(named, tenant);
}

/** What an audience stands for: an upstream behind the proxy, or a registered server, itself or behind the gateway. */
export function findTarget(named: string, { tenant, servers }: TargetContext): Result<Target, WireError> {
  const { issuer } = tenant.document;
  const prefix = `${issuer}/proxy/`;
  if (named.startsWith(prefix)) {
    const id = named.slice(prefix.length);
    if (tenant.upstreams.has(id)) return ok({ kind: "upstream", id, audience: named });
  }
  if (named === `${issuer}${MCP_PATH}`) return ok({ kind: "stint", audience: named });
  const server = tenant.document.servers.find(
    (candidate) => candidate.resource === named || gatewayAudience(issuer, candidate) === named,
  );
  if (server === undefined)
    return err(
      invalidTarget(
        "that audience is none of: a registered server's resource, {issuer}/mcp/{server}, {issuer}/proxy/{upstream}",
      ),
    );
  if (isHeld(definitionsOf(servers, server.id), server)) return err(invalidTarget(HELD));
  return ok(serverTarget(server, named, { isCounted: named !== server.resource }));
}

/** What a tenant has, and what is known of the servers among it. */
export type TargetContext = Pick<TenantContext, "tenant" | "servers">;

/** Where Stint's own tools are, under the issuer; a server behind the gateway is one segment below. */
export const MCP_PATH = "/mcp";

export function gatewayAudience(issuer: string, { id }: Pick<Server, "id">): string {
  return `${issuer}${MCP_PATH}/${id}`;
}

/** A server as the target of a token with this audience. */
export function serverTarget(
  server: Server,
  audience: string,
  { isCounted }: { readonly isCounted: boolean },
): Extract<Target, { kind: "server" }> {
  const tools = Object.fromEntries(Object.entries(server.tools).map(([name, tool]) => [name, tool.operations]));
  return { kind: "server", id: server.id, audience, tools, isCounted };
}

/** Told of a server that no longer shows the tools that its owner accepted. */
export const HELD =
  "the server shows other tools than were accepted, or can prove them no more, and gets no token until its owner accepts what it shows";

function readExpiresIn(text: string | undefined): Result<number | undefined, WireError> {
  if (text === undefined) return ok(undefined);
  return /^[1-9][0-9]{0,8}$/.test(text)
    ? ok(Number(text))
    : err(invalidRequest("expires_in must be a number of seconds"));
}

export function invalidTarget(description: string): WireError {
  return { status: 400, error: "invalid_target", description };
}

/** What the refusals of an exchange look like, RFC 8693 §2.2.2 and RFC 9396 §5. */
export function exchangeError(fault: ExchangeFault, byScope = false): WireError {
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
      if (byScope)
        return { ...INVALID_SCOPE, description: "scope goes beyond what the subject token holds for that audience" };
      return {
        status: 400,
        error: "invalid_authorization_details",
        description: "authorization_details goes beyond what the subject token holds for that audience",
      };
    case "not_counted":
      return NOT_COUNTED;
    case "outlives_session":
      return invalidRequest(`expires_in goes beyond what the session and its tokens are allowed; ${NEW_SESSION}`);
  }
}

/** Told of a token by which limits could be passed. */
export const NOT_COUNTED = invalidTarget(
  "limits hold for that server, and are counted at {issuer}/mcp/{server}: name that audience, or call it with the session token",
);

/** One answer for every subject token that is not good (any more). */
export const SUBJECT_INVALID: WireError = invalidRequest(
  `the subject token is not valid, or its session has ended: ${NEW_SESSION}`,
);

const ACTOR_TOKEN_LIFETIME_SECONDS = 300;

/**
 * Verifies an `actor_token` (RFC 8693 §2.1): a JWT in which the server that authenticated here says
 * that it is the one that acts. It adds nothing to the authentication, and may not contradict it.
 */
export async function verifyActorToken(
  token: string,
  server: { readonly id: string; readonly keys: readonly PublicJwk[] },
  issuer: string,
  now: number,
): Promise<Result<OneTimeClaim, WireError>> {
  const claims = await verifyClientJwt(token, server.keys, [undefined, "JWT"]);
  const { iss, sub, aud, jti, exp } = claims ?? {};
  const holds =
    claims !== undefined &&
    iss === server.id &&
    sub === server.id &&
    aud === issuer &&
    isJti(jti) &&
    isPresent(claims, now, ACTOR_TOKEN_LIFETIME_SECONDS);
  // The same key as an assertion's: one JWT cannot be both.
  return holds
    ? ok({ key: `assertion:${jti}`, rememberUntil: Number(exp) })
    : err(
        invalidRequest("actor_token must be by the server that authenticates, about itself, for the issuer, and fresh"),
      );
}

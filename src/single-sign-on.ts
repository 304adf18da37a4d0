import * as oauth from "oauth4webapi";
import { isStrictJwt } from "./crypto/jws.ts";
import type { SignInAttempt } from "./crypto/sign-in-attempt.ts";
import { objectName } from "./domain/ids.ts";
import { err, ok, type Result } from "./domain/result.ts";
import { isAcceptable, maxAgeSeconds, type VerifiedIdentity } from "./domain/sign-in.ts";
import { parseStrictJson } from "./domain/strict-json.ts";
import type { SingleSignOn } from "./domain/tenant.ts";
import { outboundOf, readSecret, type TenantContext } from "./tenancy.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_SUBJECT_LENGTH = 255;

/** `unavailable`: the provider did not answer as one. `refused`: it did, and nobody is signed in by that. */
export type SignOnFault = "unavailable" | "refused";

/** Who came back from the provider, and in which groups it has them. */
export interface Returned {
  readonly identity: VerifiedIdentity;
  readonly groups: readonly string[];
}

/** The provider could not be asked. Told apart from its saying no, so that the human knows what to do. */
class Unreachable extends Error {}

/** The origin that signing in leads to; undefined while the provider cannot be had. A page has to allow it by name. */
export async function signOnOrigin(env: Env, context: TenantContext, sso: SingleSignOn): Promise<string | undefined> {
  try {
    return new URL((await discover(env, context, sso)).authorization_endpoint ?? "").origin;
  } catch {
    return undefined;
  }
}

/** Where a browser goes to sign in: the code flow with PKCE, OpenID Connect Core §3.1.2.1. */
export async function signOnAddress(
  env: Env,
  context: TenantContext,
  sso: SingleSignOn,
  attempt: SignInAttempt,
): Promise<Result<URL, SignOnFault>> {
  try {
    const server = await discover(env, context, sso);
    const url = new URL(server.authorization_endpoint ?? "");
    const maxAge = maxAgeSeconds(sso);
    const parameters = {
      response_type: "code",
      client_id: sso.client_id,
      redirect_uri: redirectUri(context),
      scope: sso.scope,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(attempt.codeVerifier),
      code_challenge_method: "S256",
      max_age: String(maxAge),
      ...(sso.acr_values.length === 0 ? {} : { acr_values: sso.acr_values.join(" ") }),
    };
    for (const [name, text] of Object.entries(parameters)) url.searchParams.set(name, text);
    const isSecure = url.protocol === "https:" || (context.config.allowPrivateNetwork && url.protocol === "http:");
    return isSecure ? ok(url) : err("unavailable");
  } catch {
    return err("unavailable");
  }
}

/**
 * Takes the answer that the browser brought back, OpenID Connect Core §3.1.3: `iss` (RFC 9207), the
 * code for an ID token, its signature, audience, nonce and age.
 */
export async function completeSignOn(
  env: Env,
  context: TenantContext,
  sso: SingleSignOn,
  attempt: SignInAttempt,
  answer: URLSearchParams,
): Promise<Result<Returned, SignOnFault>> {
  try {
    const server = await discover(env, context, sso);
    const client: oauth.Client = { client_id: sso.client_id };
    const options = calls(env, context);
    const parameters = oauth.validateAuthResponse(server, client, answer, attempt.state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      await authentication(env, context, sso),
      parameters,
      redirectUri(context),
      attempt.codeVerifier,
      options,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: attempt.nonce,
      maxAge: maxAgeSeconds(sso),
      requireIdToken: true,
    });
    if (!isStrictJwt(tokens.id_token ?? "")) return err("refused");
    await oauth.validateApplicationLevelSignature(server, response, options);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    return claims === undefined ? err("refused") : readClaims(claims, sso);
  } catch (fault) {
    return err(isProviderDown(fault) ? "unavailable" : "refused");
  }
}

function readClaims(claims: oauth.IDToken, sso: SingleSignOn): Result<Returned, SignOnFault> {
  const { iss, sub, auth_time, acr } = claims;
  if (iss !== sso.issuer || sub.length > MAX_SUBJECT_LENGTH || typeof auth_time !== "number") return err("refused");
  if (acr !== undefined && typeof acr !== "string") return err("refused");
  if (!isAcceptable(sso, acr)) return err("refused");
  const groups = claims[sso.groups_claim];
  return ok({
    identity: { issuer: iss, subject: sub, auth_time, ...(acr === undefined ? {} : { acr }) },
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === "string") : [],
  });
}

async function discover(env: Env, context: TenantContext, sso: SingleSignOn): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(sso.issuer);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oidc", ...calls(env, context) });
  const server = await oauth.processDiscoveryResponse(issuer, response);
  if (server.issuer !== sso.issuer) throw new Unreachable();
  return server;
}

async function authentication(env: Env, context: TenantContext, sso: SingleSignOn): Promise<oauth.ClientAuth> {
  const { client_secret, token_endpoint_auth_method } = sso;
  if (token_endpoint_auth_method === "none") return oauth.None();
  const secret = client_secret === undefined ? undefined : await readSecret(env, context.issuer, client_secret.secret);
  if (secret === undefined) throw new Unreachable();
  return token_endpoint_auth_method === "client_secret_post"
    ? oauth.ClientSecretPost(secret)
    : oauth.ClientSecretBasic(secret);
}

/** The library's calls, by our one way out. What the provider publishes is fetched once for all isolates. */
function calls(env: Env, context: TenantContext) {
  return {
    [oauth.allowInsecureRequests]: context.config.allowPrivateNetwork,
    async [oauth.customFetch](
      url: string,
      { method, headers, body }: oauth.CustomFetchOptions<string, URLSearchParams | undefined>,
    ): Promise<Response> {
      if (method === "GET") return published(env, context, url);
      const answer = await outboundOf(context).text({
        url,
        method,
        headers,
        ...(body === undefined ? {} : { body: String(body) }),
        deadlineMs: DEADLINE_MS,
        maxBytes: MAX_ANSWER_BYTES,
      });
      if (!answer.ok || answer.value.status >= 500) throw new Unreachable();
      const { status, headers: received, text } = answer.value;
      if (!parseStrictJson(text).ok) throw new Unreachable();
      return new Response(text, { status, headers: received });
    },
  };
}

async function published(env: Env, { issuer }: TenantContext, url: string): Promise<Response> {
  const document = await env.TENANT.getByName(objectName(issuer)).remoteDocument(url, MAX_ANSWER_BYTES, true);
  if (!document.ok) throw new Unreachable();
  return new Response(document.value, { headers: { "content-type": "application/json" } });
}

function redirectUri({ issuer }: TenantContext): string {
  return `${issuer}/sign-in/callback`;
}

/** Whether the fault is that the provider, or its keys, could not be had, and not what it said of the human. */
function isProviderDown(fault: unknown): boolean {
  if (fault instanceof Unreachable) return true;
  if (!(fault instanceof oauth.OperationProcessingError)) return false;
  const down: readonly (string | undefined)[] = [
    oauth.KEY_SELECTION,
    oauth.RESPONSE_IS_NOT_JSON,
    oauth.INVALID_SERVER_METADATA,
    oauth.MISSING_SERVER_METADATA,
  ];
  return down.includes(fault.code);
}

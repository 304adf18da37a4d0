import { calculatePKCECodeChallenge, validateAuthResponse } from "oauth4webapi";
import type { SignInAttempt } from "../crypto/sign-in-attempt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import { discoverServer, type ServerMetadata } from "./server-metadata.ts";
import { requestToken, type TokenEndpointContext } from "./token-endpoint.ts";

/** One try to link an account: where its answer comes back to, and its secrets. */
export interface AccountLink {
  /** One for each upstream, so that no server's answer can be taken for another's (RFC 9700 §4.4.2.2). */
  readonly redirectUri: string;
  readonly attempt: SignInAttempt;
}

/** `refused`: the server, or the person at it, said no. `not_lasting`: it gave no refresh token. */
export type LinkFault = "unavailable" | "refused" | "not_lasting";

/** What a person's consent gave. */
export interface Consent {
  readonly refresh_token: string;
  readonly scope: string;
}

/** The page of the server's at which people consent; undefined while its metadata cannot be had. */
export async function consentEndpoint(
  upstream: LinkedUpstream,
  context: TokenEndpointContext,
): Promise<URL | undefined> {
  const endpoint = upstream.authorization_endpoint ?? (await serverOf(upstream, context))?.authorization_endpoint;
  return endpoint === undefined ? undefined : new URL(endpoint);
}

/** Where a browser goes to have an account linked: the code flow with PKCE. */
export async function authorizationAddress(
  upstream: LinkedUpstream,
  scope: string,
  { redirectUri, attempt }: AccountLink,
  context: TokenEndpointContext,
): Promise<Result<URL, "unavailable">> {
  const url = await consentEndpoint(upstream, context);
  if (url === undefined) return err("unavailable");
  const { resource, audience } = upstream;
  const parameters = {
    ...upstream.authorization_parameters,
    response_type: "code",
    client_id: upstream.client_id,
    redirect_uri: redirectUri,
    ...(scope === "" ? {} : { scope }),
    state: attempt.state,
    code_challenge: await calculatePKCECodeChallenge(attempt.codeVerifier),
    code_challenge_method: "S256",
    ...(resource === undefined ? {} : { resource }),
    ...(audience === undefined ? {} : { audience }),
  };
  for (const [name, text] of Object.entries(parameters)) url.searchParams.set(name, text);
  return ok(url);
}

/** Redeems what the browser brought back, once: `state` and `iss` are judged (RFC 9207) before anything is sent. */
export async function redeemConsent(
  upstream: LinkedUpstream,
  asked: string,
  { redirectUri, attempt }: AccountLink,
  answer: URLSearchParams,
  context: TokenEndpointContext,
): Promise<Result<Consent, LinkFault>> {
  const server = await serverOf(upstream, context);
  if (upstream.authorization_server !== undefined && server === undefined) return err("unavailable");
  const code = readCode(upstream, server, answer, attempt.state);
  if (code === undefined) return err("refused");
  const { resource } = upstream;
  const issued = await requestToken(
    upstream,
    "authorization_code",
    {
      code,
      redirect_uri: redirectUri,
      code_verifier: attempt.codeVerifier,
      ...(resource === undefined ? {} : { resource }),
    },
    context,
  );
  if (!issued.ok) return err(issued.error.kind === "rejected" ? "refused" : "unavailable");
  const { refresh_token, scope = asked } = issued.value;
  return refresh_token === undefined ? err("not_lasting") : ok({ refresh_token, scope });
}

/** The code of an answer that is this attempt's and this server's. */
function readCode(
  { client_id, authorization_server }: LinkedUpstream,
  server: ServerMetadata | undefined,
  answer: URLSearchParams,
  state: string,
): string | undefined {
  const names = [...answer.keys()];
  // RFC 6749 §3.1: none stands twice.
  if (new Set(names).size < names.length) return undefined;
  const judged = new URLSearchParams(answer);
  // Without a configured issuer there is none to compare with; the redirect address is this upstream's own.
  if (authorization_server === undefined) judged.delete("iss");
  try {
    const known = {
      issuer: authorization_server ?? "https://unnamed.invalid",
      authorization_response_iss_parameter_supported: server?.authorization_response_iss_parameter_supported ?? false,
    };
    return validateAuthResponse(known, { client_id }, judged, state).get("code") ?? undefined;
  } catch {
    return undefined;
  }
}

async function serverOf(
  { authorization_server }: LinkedUpstream,
  { outbound, now }: TokenEndpointContext,
): Promise<ServerMetadata | undefined> {
  if (authorization_server === undefined) return undefined;
  const found = await discoverServer(authorization_server, outbound, now);
  return found.ok ? found.value : undefined;
}

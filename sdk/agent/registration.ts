import type { Fetch } from "../shared/dpop-sender.ts";
import { readJson, refusalIn, StintError } from "../shared/stint-error.ts";
import type { Discovered } from "./discovery.ts";
import type { ClientAuthentication, RegisteredClient } from "./registered-client.ts";

/** How long a registration may take, in milliseconds. */
const DEADLINE_MS = 10_000;
/** What can be asked for without a key, the least that could be stolen first. */
const METHODS = ["none", "client_secret_basic", "client_secret_post"] as const;
type Method = (typeof METHODS)[number];

/** How a client introduces itself where nobody registered it. */
export interface Registration {
  /** What a human is shown as the client's name. */
  readonly name: string;
  /** Is given what was registered, secret included, to be kept for the next run's `registered`. */
  readonly keep?: (client: RegisteredClient) => Promise<void> | void;
}

/**
 * Registers a client for the authorization code grant (RFC 7591).
 *
 * @throws {StintError} where the server takes no registrations, or answers with what this client is not
 */
export async function registerClient(
  { name }: Registration,
  redirectUri: string,
  server: Discovered,
  fetch: Fetch,
): Promise<RegisteredClient> {
  const { issuer } = server;
  const endpoint = endpointOf(server);
  const method = METHODS.find((known) => server.authenticationMethods.includes(known));
  if (method === undefined) throw refused("the authorization server authenticates no client that registers itself");
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({
      client_name: name,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: method,
      application_type: applicationType(redirectUri),
      // RFC 9449 §5.2
      ...(server.dpop ? { dpop_bound_access_tokens: true } : {}),
    }),
    redirect: "manual",
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  // RFC 7591 §3.2.1: what else an address answers with is no registration, even where it is JSON.
  if (response.status !== 201)
    throw response.ok ? refused(`the answer to it was ${response.status}`) : await refusalIn(response);
  const answer = await readJson(response);
  const { client_id: clientId, redirect_uris: redirectUris } = answer;
  if (typeof clientId !== "string" || clientId === "") throw refused("the registration names no client");
  // A client whose answers go elsewhere is somebody else's.
  if (redirectUris !== undefined && !(Array.isArray(redirectUris) && redirectUris.includes(redirectUri)))
    throw refused("the registration is of another client");
  return { issuer, clientId, authentication: authenticationIn(answer, method) };
}

/**
 * The issuer's own, at its origin alone: otherwise whoever writes metadata could have this client post
 * to any address that it can reach.
 */
function endpointOf({ issuer, registrationEndpoint }: Discovered): URL {
  if (registrationEndpoint === undefined)
    throw new StintError("unregistered_client", `nobody registered this client at ${issuer}, nor can it itself`, 0);
  const url = URL.canParse(registrationEndpoint) ? new URL(registrationEndpoint) : undefined;
  if (url?.origin !== new URL(issuer).origin) throw refused("the registration endpoint is not at the issuer's origin");
  return url;
}

/** What was registered, which the server may have changed (RFC 7591 §3.2.1). */
function authenticationIn(answer: Record<string, unknown>, asked: Method): ClientAuthentication {
  const { client_secret: secret, client_secret_expires_at: end = 0, token_endpoint_auth_method: said = asked } = answer;
  const method = METHODS.find((known) => known === said);
  if (method === undefined) throw refused("the registration wants another authentication than was asked for");
  // A secret that nothing is authenticated with is not kept.
  if (method === "none") return { method };
  if (typeof secret !== "string" || secret === "") throw refused("the registration lacks the secret that it needs");
  if (end === 0) return { method, secret };
  if (typeof end !== "number" || !(end > Date.now() / 1000)) throw refused("the registration's secret has run out");
  return { method, secret, expiresAt: end };
}

/** OpenID Connect Registration §2: what comes back to this machine, or to a program's own scheme, is native. */
function applicationType(redirectUri: string): "native" | "web" {
  const { protocol, hostname } = new URL(redirectUri);
  return protocol === "https:" && hostname !== "localhost" ? "web" : "native";
}

function refused(description: string): StintError {
  return new StintError("invalid_registration", description, 0);
}

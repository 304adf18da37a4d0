import type { Fetch } from "../shared/dpop-sender.ts";
import { isWithin } from "../shared/resource-fetch.ts";
import { readJson, StintError } from "../shared/stint-error.ts";

/** How long a document may take, in milliseconds. */
const DEADLINE_MS = 10_000;
const RESOURCE_METADATA = "/.well-known/oauth-protected-resource";

/** Where to ask for access to a resource. */
export interface Discovered {
  /** The resource as it names itself: the audience to ask for (RFC 8707). */
  readonly resource: string;
  readonly scopesSupported: readonly string[];
  readonly issuer: string;
  readonly authorizationEndpoint: URL;
  readonly tokenEndpoint: URL;
  /** RFC 9207: whether every answer names its issuer. */
  readonly namesIssuer: boolean;
  /** Whether tokens can be bound to an ES256 key. */
  readonly dpop: boolean;
}

/**
 * Finds who issues tokens for a resource: its metadata (RFC 9728), then that server's (RFC 8414 or
 * OpenID Connect Discovery). Each must name what it was asked about.
 *
 * @param named where the challenge says that the resource's metadata is
 */
export async function discover(resource: URL, named: string | undefined, fetch: Fetch): Promise<Discovered> {
  const about = await resourceMetadata(resource, named, fetch);
  const [issuer] = textsIn(about["authorization_servers"]);
  if (issuer === undefined) throw refused("the resource names no authorization server");
  const server = await serverMetadata(issuer, resource, fetch);
  // A server that does not say so may not check the verifier (MCP authorization).
  if (!textsIn(server["code_challenge_methods_supported"]).includes("S256"))
    throw refused("the authorization server does not support PKCE with S256");
  return {
    resource: String(about["resource"]),
    scopesSupported: textsIn(about["scopes_supported"]),
    issuer,
    authorizationEndpoint: safeUrl(server["authorization_endpoint"], resource),
    tokenEndpoint: safeUrl(server["token_endpoint"], resource),
    namesIssuer: server["authorization_response_iss_parameter_supported"] === true,
    dpop: textsIn(server["dpop_signing_alg_values_supported"]).includes("ES256"),
  };
}

async function resourceMetadata(
  resource: URL,
  named: string | undefined,
  fetch: Fetch,
): Promise<Record<string, unknown>> {
  const places =
    named === undefined ? [placeOf(resource), placeOf(new URL(resource.origin))] : [safeUrl(named, resource).href];
  const found = await firstOf(places, fetch);
  if (found === undefined) throw refused("the resource does not say who issues tokens for it");
  const { resource: claimed } = found.document;
  if (typeof claimed !== "string" || !URL.canParse(claimed) || !isAbout(new URL(claimed), resource, found.place))
    throw refused("the metadata is about another resource");
  return found.document;
}

/**
 * RFC 9728 §3.3: metadata about another resource would have us ask for a token for that one. About one
 * that lies above, only its owner may speak, at its own place: not a neighbour on a shared host.
 */
function isAbout(claimed: URL, resource: URL, place: string): boolean {
  return claimed.href === resource.href || (isWithin(claimed, resource) && place === placeOf(claimed));
}

/** RFC 9728 §3.1 */
function placeOf({ origin, pathname }: URL): string {
  return origin + RESOURCE_METADATA + (pathname === "/" ? "" : pathname);
}

/** RFC 8414 §3.1 and OpenID Connect Discovery §4, in the order of MCP authorization. */
async function serverMetadata(issuer: string, resource: URL, fetch: Fetch): Promise<Record<string, unknown>> {
  const { origin, pathname } = safeUrl(issuer, resource);
  const path = pathname.replace(/\/$/, "");
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    ...(path === "" ? [] : [`${origin}${path}/.well-known/openid-configuration`]),
  ];
  const found = (await firstOf(places, fetch))?.document;
  // RFC 8414 §3.3: byte for byte, or one server could pass itself off as another.
  if (found === undefined || found["issuer"] !== issuer)
    throw refused("the authorization server's metadata is missing or names another issuer");
  return found;
}

async function firstOf(
  places: readonly string[],
  fetch: Fetch,
): Promise<{ place: string; document: Record<string, unknown> } | undefined> {
  for (const place of places) {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const response = await fetch(place, { headers: { accept: "application/json" }, redirect: "manual", signal });
    if (response.status === 200) return { place, document: await readJson(response) };
  }
  return undefined;
}

/**
 * https; a URL out of metadata may be opened in a browser. Or loopback, where the resource is there too:
 * one that is elsewhere would have us call whatever listens on this machine.
 */
function safeUrl(value: unknown, resource: URL): URL {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !(isLoopback(url) ? isLoopback(resource) : url.protocol === "https:"))
    throw refused("the metadata names an address that is not https");
  return url;
}

function isLoopback({ protocol, hostname }: URL): boolean {
  return ["http:", "https:"].includes(protocol) && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function refused(description: string): StintError {
  return new StintError("invalid_metadata", description, 0);
}

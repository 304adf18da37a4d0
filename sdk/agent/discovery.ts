import type { Fetch } from "../shared/dpop-sender.ts";
import { isWithin } from "../shared/resource-fetch.ts";
import { readJson, StintError } from "../shared/stint-error.ts";
import { isThisMachine } from "../shared/this-machine.ts";

/** How long a document may take, in milliseconds. */
const DEADLINE_MS = 10_000;
const RESOURCE_METADATA = "/.well-known/oauth-protected-resource";

/** Where to ask for access to a resource. */
export interface Discovered {
  /** The resource as it names itself: the audience to ask for (RFC 8707). */
  readonly resource: string;
  readonly scopesSupported: readonly string[];
  readonly issuer: string;
  /** Where a human is sent, if the server says that it checks PKCE with S256. */
  readonly authorizationEndpoint: URL | undefined;
  readonly tokenEndpoint: URL;
  /** As the metadata names it, not looked at yet. */
  readonly registrationEndpoint: string | undefined;
  readonly authenticationMethods: readonly string[];
  readonly grantTypes: readonly string[];
  /** Whether a client may come by the address of its metadata document. */
  readonly readsDocuments: boolean;
  /** RFC 9207: whether every answer names its issuer. */
  readonly namesIssuer: boolean;
  /** Whether tokens can be bound to an ES256 key. */
  readonly dpop: boolean;
}

interface Found {
  readonly place: string;
  readonly document: Record<string, unknown>;
}

export interface Search {
  /** Where the client is registered: preferred, where a resource names several (RFC 9728 §7.6). */
  readonly issuers: readonly string[];
  /** Takes a resource that surely has no metadata to be its own authorization server. */
  readonly allowSelfIssued?: boolean | undefined;
}

/**
 * Finds who issues tokens for a resource: its metadata (RFC 9728), then that server's (RFC 8414 or
 * OpenID Connect Discovery). Each must name what it was asked about.
 *
 * @param named where the challenge says that the resource's metadata is
 */
export async function discover(
  resource: URL,
  named: string | undefined,
  { issuers, allowSelfIssued }: Search,
  fetch: Fetch,
): Promise<Discovered> {
  const about = await resourceMetadata(resource, named, fetch);
  if (about === "absent") {
    if (allowSelfIssued !== true) throw refused("the resource does not say who issues tokens for it");
    return read(await ownMetadata(resource, fetch), { resource: resource.href }, resource);
  }
  const offered = textsIn(about["authorization_servers"]);
  const issuer = offered.find((one) => issuers.includes(one)) ?? offered[0];
  if (issuer === undefined) throw refused("the resource names no authorization server");
  return read(await serverMetadata(issuer, resource, fetch), about, resource);
}

/** Finds what an authorization server that is known by its issuer says of itself. */
export async function discoverServer(issuer: string, fetch: Fetch): Promise<Discovered> {
  const url = new URL(issuer);
  return read(await serverMetadata(issuer, url, fetch), { resource: issuer }, url);
}

function read(server: Record<string, unknown>, about: Record<string, unknown>, resource: URL): Discovered {
  const { authorization_endpoint: authorization, registration_endpoint: registration } = server;
  // A server that does not say so may not check the verifier (MCP authorization).
  const checksVerifier = textsIn(server["code_challenge_methods_supported"]).includes("S256");
  return {
    resource: String(about["resource"]),
    scopesSupported: textsIn(about["scopes_supported"]),
    issuer: String(server["issuer"]),
    authorizationEndpoint: checksVerifier && authorization !== undefined ? safeUrl(authorization, resource) : undefined,
    tokenEndpoint: safeUrl(server["token_endpoint"], resource),
    registrationEndpoint: typeof registration === "string" ? registration : undefined,
    // What a server that does not say means, RFC 8414 §2.
    authenticationMethods: textsIn(server["token_endpoint_auth_methods_supported"] ?? ["client_secret_basic"]),
    grantTypes: textsIn(server["grant_types_supported"] ?? ["authorization_code"]),
    readsDocuments: server["client_id_metadata_document_supported"] === true,
    namesIssuer: server["authorization_response_iss_parameter_supported"] === true,
    dpop: textsIn(server["dpop_signing_alg_values_supported"]).includes("ES256"),
  };
}

async function resourceMetadata(
  resource: URL,
  named: string | undefined,
  fetch: Fetch,
): Promise<Record<string, unknown> | "absent"> {
  const places =
    named === undefined ? [placeOf(resource), placeOf(new URL(resource.origin))] : [safeUrl(named, resource).href];
  const found = await firstOf(places, fetch);
  if (found === "absent" && named === undefined) return found;
  if (typeof found === "string") throw refused("the resource does not say who issues tokens for it");
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

async function serverMetadata(issuer: string, resource: URL, fetch: Fetch): Promise<Record<string, unknown>> {
  return aboutIssuer(await firstOf(serverPlaces(issuer, resource), fetch), issuer);
}

/** RFC 8414 §3.1 and OpenID Connect Discovery §4, in the order of MCP authorization. */
function serverPlaces(issuer: string, resource: URL): string[] {
  const { origin, pathname } = safeUrl(issuer, resource);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    ...(path === "" ? [] : [`${origin}${path}/.well-known/openid-configuration`]),
  ];
}

function aboutIssuer(found: Found | "absent" | "unclear", issuer: string): Record<string, unknown> {
  // RFC 8414 §3.3: byte for byte, or one server could pass itself off as another.
  if (typeof found === "string" || found.document["issuer"] !== issuer)
    throw refused("the authorization server's metadata is missing or names another issuer");
  return found.document;
}

/**
 * MCP authorization of 2025-03-26, §2.3: a server is its own authorization server, at fixed addresses if
 * it has no metadata. All of it stays at the server's origin. Of that revision's servers PKCE is demanded.
 */
async function ownMetadata({ origin, href }: URL, fetch: Fetch): Promise<Record<string, unknown>> {
  const found = await firstOf(serverPlaces(origin, new URL(href)), fetch);
  if (found !== "absent") return aboutIssuer(found, origin);
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
    code_challenge_methods_supported: ["S256"],
  };
}

/** The first document there is; whether there surely is none, or nobody can tell. */
async function firstOf(places: readonly string[], fetch: Fetch): Promise<Found | "absent" | "unclear"> {
  let missing = true;
  for (const place of places) {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const response = await fetch(place, { headers: { accept: "application/json" }, redirect: "manual", signal });
    if (response.status === 200) return { place, document: await readJson(response) };
    missing &&= response.status === 404;
  }
  return missing ? "absent" : "unclear";
}

/**
 * https; a URL out of metadata may be opened in a browser. Or loopback, where the resource is there too:
 * one that is elsewhere would have us call whatever listens on this machine.
 */
function safeUrl(value: unknown, resource: URL): URL {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !isGuarded(url) || (isThisMachine(url) && !isThisMachine(resource)))
    throw refused("the metadata names an address that is not https");
  return url;
}

/** Whether nobody on the way can read along or answer in its place. */
export function isGuarded(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isThisMachine(url));
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

export function refused(description: string): StintError {
  return new StintError("invalid_metadata", description, 0);
}

import { canonicalPath, canonicalQuery } from "../domain/proxy-path.ts";

/**
 * What passes the proxy toward an upstream. A list of what may pass, not of what may not: whatever
 * nobody thought of stays out, credentials, cookies, overrides and forwarding headers among it.
 * `Range` stays out as well: an answer that is fetched in slices shows the credential in slices, each
 * too short to be recognised.
 */
const TO_UPSTREAM = new Set([
  "accept",
  "accept-language",
  "content-type",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "idempotency-key",
  "prefer",
  "x-github-api-version",
  "notion-version",
  "stripe-version",
  // A JSON-RPC body is judged together with what these say of it.
  "mcp-protocol-version",
  "mcp-session-id",
  "mcp-method",
  "mcp-name",
]);

/** What passes back to the caller. */
const FROM_UPSTREAM = new Set([
  "content-type",
  "content-language",
  "etag",
  "last-modified",
  "link",
  "retry-after",
  "date",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-ratelimit-used",
  "x-ratelimit-resource",
  "x-request-id",
  "x-github-request-id",
  "x-github-media-type",
  "mcp-session-id",
]);

/** Set on everything that passes back: nobody's to keep, and inert if a browser should open it. */
const ALWAYS = {
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "content-disposition": "attachment",
} as const;

/** The headers that an upstream sees: those that may pass, and the credential alone and last. */
export function headersToUpstream(request: Headers, credential: Readonly<Record<string, string>>): Headers {
  const headers = new Headers();
  for (const name of TO_UPSTREAM) {
    const value = request.get(name);
    if (value !== null) headers.set(name, value);
  }
  headers.set("user-agent", "stint");
  // The credential's echo is looked for in what comes back, so that must come uncompressed.
  headers.set("accept-encoding", "identity");
  for (const [name, value] of Object.entries(credential)) headers.set(name, value);
  return headers;
}

/** Headers that say how the body is to be read; one that is said twice is read by each reader as it likes. */
const SAID_ONCE = ["content-type", "content-length"];

/** Whether a request says such a thing twice: what came in two lines arrives here joined by a comma. */
export function isAmbiguous(request: Headers): boolean {
  return SAID_ONCE.some((name) => request.get(name)?.includes(",") === true);
}

/**
 * Where an upstream points to, as the caller may follow it: under the proxy, so that it is judged like
 * any other call.
 *
 * @param from the address that was called
 * @param baseUrl the upstream's own; what lies elsewhere is nothing
 * @param proxyUrl the upstream's place under the proxy
 */
export function proxiedLocation(
  location: string | null,
  from: string,
  { baseUrl, proxyUrl }: { readonly baseUrl: string; readonly proxyUrl: string },
): string | undefined {
  if (location === null || !URL.canParse(location, from)) return undefined;
  const { href } = new URL(location, from);
  if (!href.startsWith(`${baseUrl}/`)) return undefined;
  const [path = "", ...queries] = href.slice(baseUrl.length).split("?");
  const query = canonicalQuery(queries.join("?"));
  if (!canonicalPath(path).ok || !query.ok) return undefined;
  return `${proxyUrl}${path}${query.value === "" ? "" : `?${query.value}`}`;
}

/** A `Link` header (RFC 8288) whose targets at the upstream lead through the proxy, such as the next page of a list. */
export function proxiedLinks(
  links: string,
  from: string,
  place: { readonly baseUrl: string; readonly proxyUrl: string },
): string {
  return links.replaceAll(/<([^<>]*)>/g, (link, target: string) => {
    const proxied = proxiedLocation(target, from, place);
    return proxied === undefined ? link : `<${proxied}>`;
  });
}

/** The headers that the caller sees. */
export function headersFromUpstream(response: Headers): Headers {
  const headers = new Headers(ALWAYS);
  for (const name of FROM_UPSTREAM) {
    const value = response.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

import { codeAccess, type ClientIdentity, type CodeAccessOptions } from "../../sdk/agent/index.ts";

export const RESOURCE = "https://tickets.test/mcp";
export const ISSUER = "https://stint.test";
export const OTHER_ISSUER = "https://other.test";
export const REDIRECT = "http://localhost:7777/callback";
export const NATIVE_APP: ClientIdentity = {
  registered: [{ issuer: ISSUER, clientId: "native-app", authentication: { method: "none" } }],
};

export interface Seen {
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  readonly redirect: string | undefined;
}

export interface Parts {
  readonly about?: Record<string, unknown>;
  readonly server?: Record<string, unknown>;
  readonly token?: Record<string, unknown>;
  /** What comes back beside `state` and `iss`; a member that is null is left out. */
  readonly back?: Record<string, string | null>;
  /** How the resource answers once a token is there. */
  readonly answer?: () => Response;
  /** What a client that registers itself is told. */
  readonly register?: (asked: Record<string, unknown>, issuer: string) => Response;
  /** In place of any answer below. */
  readonly instead?: (seen: Seen) => Response | undefined;
  readonly options?: Partial<CodeAccessOptions>;
}

/** A resource, and authorization servers at `ISSUER` and `OTHER_ISSUER`, that say what they are told to say. */
export function foreignFetch({ about, server, token, answer, register, instead }: Parts = {}) {
  const seen: Seen[] = [];
  /** Who the resource says issues tokens for it. */
  const named = { issuer: ISSUER };
  const challenge = { "www-authenticate": 'DPoP algs="ES256", scope="mcp:tickets:list_issues"' };
  const atServer = (issuer: string, path: string, body: string): Response => {
    switch (path) {
      case "/.well-known/oauth-authorization-server":
        return Response.json({
          issuer,
          authorization_endpoint: `${issuer}/oauth/authorize`,
          token_endpoint: `${issuer}/oauth/token`,
          registration_endpoint: `${issuer}/oauth/register`,
          grant_types_supported: ["authorization_code"],
          token_endpoint_auth_methods_supported: ["none"],
          code_challenge_methods_supported: ["S256"],
          authorization_response_iss_parameter_supported: true,
          dpop_signing_alg_values_supported: ["ES256"],
          ...server,
        });
      case "/oauth/token":
        return Response.json({ access_token: "t", token_type: "DPoP", ...token });
      case "/oauth/register":
        return register?.(JSON.parse(body) as Record<string, unknown>, issuer) ?? new Response(null, { status: 404 });
      default:
        return new Response(null, { status: 404 });
    }
  };
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const url = String(input);
    const body = typeof init?.body === "string" ? init.body : "";
    const one = { url, headers, body, redirect: init?.redirect };
    seen.push(one);
    const other = instead?.(one);
    if (other !== undefined) return other;
    const { origin, pathname } = new URL(url);
    if (url === "https://tickets.test/.well-known/oauth-protected-resource/mcp")
      return Response.json({ resource: RESOURCE, authorization_servers: [named.issuer], ...about });
    if (url === RESOURCE && headers.has("authorization")) return answer?.() ?? new Response("ok");
    if (url === RESOURCE) return new Response(null, { status: 401, headers: challenge });
    return [ISSUER, OTHER_ISSUER].includes(origin)
      ? atServer(origin, pathname, one.body)
      : new Response(null, { status: 404 });
  };
  const requestsTo = (end: string): Seen[] => seen.filter(({ url }) => url.endsWith(end));
  return {
    fetch,
    seen,
    named,
    tokenRequests: () => requestsTo("/oauth/token"),
    registrations: () => requestsTo("/oauth/register"),
  };
}

/** The same, with a `codeAccess` to it and a human who agrees to everything. */
export function foreignWorld(parts: Parts = {}) {
  const asked: URL[] = [];
  const world = foreignFetch(parts);
  const call = codeAccess({
    resource: RESOURCE,
    client: NATIVE_APP,
    redirectUri: REDIRECT,
    fetch: world.fetch,
    authorize: async (url) => {
      asked.push(url);
      const answered = { state: url.searchParams.get("state"), iss: url.origin, code: "c", ...parts.back };
      const to = new URL(REDIRECT);
      for (const [name, value] of Object.entries(answered)) if (value !== null) to.searchParams.set(name, value);
      return to;
    },
    ...parts.options,
  });
  return { ...world, call, asked };
}

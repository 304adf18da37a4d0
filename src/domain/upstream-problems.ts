import { isLinked } from "./linked-account.ts";
import type { TenantDocument } from "./tenant.ts";
import type { OAuth2Upstream, Upstream } from "./upstream.ts";

interface UpstreamProblem {
  /** A JSON pointer within the upstream. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with an upstream that a schema cannot see. */
export function checkUpstream(upstream: Upstream, document: TenantDocument): UpstreamProblem[] {
  switch (upstream.connector) {
    case "oauth2":
      return [
        ...checkOAuth2(upstream),
        ...checkAudience(
          upstream.authorization_server === undefined ? "/token_endpoint" : "/authorization_server",
          upstream.authorization_server ?? upstream.token_endpoint ?? "",
          document,
        ),
      ];
    case "jwt":
      return checkAudience("/audience", upstream.audience ?? upstream.base_url, document);
    case "github_app":
    case "api_key":
    case "slack":
    case "google_oauth":
    case "google_service_account":
      return [];
  }
}

function checkOAuth2(upstream: OAuth2Upstream): UpstreamProblem[] {
  const { token_endpoint, authorization_server, client_secret, private_key, grant_type } = upstream;
  const method = upstream.token_endpoint_auth_method;
  const canLink =
    !isLinked(upstream) || upstream.authorization_endpoint !== undefined || authorization_server !== undefined;
  const needsSecret = method === "client_secret_basic" || method === "client_secret_post";
  const usesKey = method === "private_key_jwt" || grant_type === "urn:ietf:params:oauth:grant-type:jwt-bearer";
  return [
    ...(canLink
      ? []
      : [
          {
            path: "/authorization_endpoint",
            message: "needs an authorization_endpoint, or an authorization_server whose metadata names it",
          },
        ]),
    ...(token_endpoint === undefined && authorization_server === undefined
      ? [
          {
            path: "/token_endpoint",
            message: "needs a token_endpoint, or an authorization_server whose metadata names it",
          },
        ]
      : []),
    ...(needsSecret === (client_secret !== undefined)
      ? []
      : [{ path: "/client_secret", message: `${method} ${needsSecret ? "needs" : "has no use for"} a client_secret` }]),
    ...(method === "private_key_jwt" && private_key === undefined
      ? [{ path: "/private_key", message: "private_key_jwt needs a private_key" }]
      : []),
    ...(private_key !== undefined && !usesKey
      ? [{ path: "/private_key", message: `neither ${method} nor ${grant_type} has a use for a private_key` }]
      : []),
    ...(method === "none" && grant_type === "client_credentials"
      ? [{ path: "/token_endpoint_auth_method", message: "client_credentials needs a client that authenticates" }]
      : []),
  ];
}

/** A token that an upstream gets must be worth nothing at Stint itself, or at a server that agents call. */
function checkAudience(path: string, audience: string, { issuer, servers }: TenantDocument): UpstreamProblem[] {
  const isOurs = audience === issuer || audience.startsWith(`${issuer}/`);
  const isServer = servers.some(({ resource }) => resource === audience);
  return isOurs || isServer ? [{ path, message: "is the address of the issuer itself or of a registered server" }] : [];
}

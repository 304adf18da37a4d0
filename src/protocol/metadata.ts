import { SIGNING_ALGORITHMS } from "../crypto/jws.ts";
import type { CompiledTenant } from "../domain/compiled-tenant.ts";
import { toolsOf } from "../domain/server-calls.ts";

/** The grants of the token endpoint. */
export const GRANT_TYPES = {
  ciba: "urn:openid:params:grant-type:ciba",
  code: "authorization_code",
  exchange: "urn:ietf:params:oauth:grant-type:token-exchange",
  jwtBearer: "urn:ietf:params:oauth:grant-type:jwt-bearer",
} as const;
export type GrantType = (typeof GRANT_TYPES)[keyof typeof GRANT_TYPES];

const AUTHORIZATION_DETAILS_TYPES = ["upstream_access", "mcp_tools"];

/** Authorization server metadata, RFC 8414 §2: what works, and nothing else. */
export function serverMetadata(issuer: string): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/oauth/jwks`,
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: Object.values(GRANT_TYPES),
    token_endpoint_auth_methods_supported: ["private_key_jwt", "none"],
    token_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    code_challenge_methods_supported: ["S256"],
    // RFC 9207
    authorization_response_iss_parameter_supported: true,
    // RFC 9126 and RFC 9101
    pushed_authorization_request_endpoint: `${issuer}/oauth/par`,
    require_pushed_authorization_requests: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    request_object_signing_alg_values_supported: SIGNING_ALGORITHMS,
    // CIBA Core §4
    backchannel_authentication_endpoint: `${issuer}/oauth/backchannel`,
    backchannel_token_delivery_modes_supported: ["poll"],
    backchannel_authentication_request_signing_alg_values_supported: SIGNING_ALGORITHMS,
    backchannel_user_code_parameter_supported: false,
    // RFC 7662, RFC 9701 and RFC 7009
    introspection_endpoint: `${issuer}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: ["private_key_jwt"],
    introspection_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    introspection_signing_alg_values_supported: ["ES256"],
    revocation_endpoint: `${issuer}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: ["private_key_jwt", "none"],
    revocation_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    // RFC 9396 and RFC 9449
    authorization_details_types_supported: AUTHORIZATION_DETAILS_TYPES,
    dpop_signing_alg_values_supported: SIGNING_ALGORITHMS,
    client_id_metadata_document_supported: true,
    authorization_grant_profiles_supported: ["urn:ietf:params:oauth:grant-profile:id-jag"],
    stint_sessions_endpoint: `${issuer}/sessions`,
  };
}

/** The path under which a resource's metadata stands, RFC 9728 §3.1. */
export const RESOURCE_METADATA_PATH = "/.well-known/oauth-protected-resource";

/**
 * Protected resource metadata, RFC 9728 §2, of the issuer itself, of the proxy of an upstream, of
 * Stint's own tools or of a server behind the gateway; undefined for anything else. No method of presenting a bearer token is listed, for none is taken.
 *
 * @param path of the resource under the issuer: empty, `/proxy/{upstream}`, `/mcp` or `/mcp/{server}`
 */
export function resourceMetadata(tenant: CompiledTenant, path: string): Record<string, unknown> | undefined {
  const { issuer } = tenant.document;
  const upstream = /^\/proxy\/([^/]+)$/.exec(path)?.[1];
  const server = tenant.servers.get(/^\/mcp\/([^/]+)$/.exec(path)?.[1] ?? "");
  const isKnown = ["", "/mcp"].includes(path) || server?.trust === "remote" || tenant.upstreams.has(upstream ?? "");
  if (!isKnown) return undefined;
  return {
    resource: issuer + path,
    authorization_servers: [issuer],
    bearer_methods_supported: [],
    dpop_signing_alg_values_supported: SIGNING_ALGORITHMS,
    dpop_bound_access_tokens_required: true,
    authorization_details_types_supported: AUTHORIZATION_DETAILS_TYPES,
    ...(server === undefined ? {} : { scopes_supported: toolsOf(server) }),
    resource_name: [upstream ?? server?.id, "Stint"].filter((name) => name !== undefined).join(" behind "),
  };
}

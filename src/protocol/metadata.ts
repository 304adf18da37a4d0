import { SIGNING_ALGORITHMS } from "../crypto/jws.ts";

export const CIBA_GRANT = "urn:openid:params:grant-type:ciba";
export const TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";

/** Authorization server metadata, RFC 8414 §2: what works, and nothing else. */
export function serverMetadata(issuer: string): Record<string, unknown> {
  const clientAuthentication = { methods: ["private_key_jwt"], algorithms: SIGNING_ALGORITHMS };
  return {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    token_endpoint_auth_methods_supported: clientAuthentication.methods,
    token_endpoint_auth_signing_alg_values_supported: clientAuthentication.algorithms,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: clientAuthentication.methods,
    introspection_endpoint_auth_signing_alg_values_supported: clientAuthentication.algorithms,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: clientAuthentication.methods,
    revocation_endpoint_auth_signing_alg_values_supported: clientAuthentication.algorithms,
    jwks_uri: `${issuer}/oauth/jwks`,
    // There is no authorization endpoint, so there are no response types. RFC 8414 §2 wants the member all the same.
    response_types_supported: [],
    grant_types_supported: [CIBA_GRANT, TOKEN_EXCHANGE_GRANT],
    authorization_details_types_supported: ["upstream_access", "mcp_tools"],
    dpop_signing_alg_values_supported: SIGNING_ALGORITHMS,
    stint_sessions_endpoint: `${issuer}/sessions`,
  };
}

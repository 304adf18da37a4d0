import type { GoogleOAuthUpstream, OAuth2RefreshUpstream } from "../domain/upstream.ts";
import type { Connector } from "./connector.ts";
import { oauth2 } from "./oauth2.ts";

/**
 * A Google user who consented once: `oauth2` with a refresh token, as Google has it. Google keeps the
 * refresh token as it is, narrows each access token to the scopes that are asked for, and its
 * revocation would end the user's whole consent, so access tokens are left to expire.
 */
export const googleOAuth: Connector<GoogleOAuthUpstream> = {
  mint: (request) => oauth2.mint({ ...request, upstream: asOAuth2(request.upstream) }),
  revoke: (request) => oauth2.revoke({ ...request, upstream: asOAuth2(request.upstream) }),
  narrowing: (upstream, operations) => oauth2.narrowing(asOAuth2(upstream), operations),
  describe: (upstream) => oauth2.describe(asOAuth2(upstream)),
};

function asOAuth2(upstream: GoogleOAuthUpstream): OAuth2RefreshUpstream {
  return {
    ...upstream,
    connector: "oauth2",
    token_endpoint_auth_method: "client_secret_post",
    grant_type: "refresh_token",
    refresh_token_rotation: false,
  };
}

import { signPemJwt } from "../crypto/pem-jwt.ts";
import { newId } from "../crypto/random.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { OAuth2Upstream } from "../domain/upstream.ts";
import { privateKeyOf } from "./client-authentication.ts";
import type { Connector, ConnectorFault, IssuedToken, MintRequest } from "./connector.ts";
import { mintedToken } from "./issued-token.ts";
import { narrowingByScope, operationsOf, readScope, scopesOf } from "./scopes.ts";
import { requestToken, revokeToken, toConnectorFault } from "./token-endpoint.ts";

/** An assertion is used at once, and an upstream's clock may be off, in seconds. */
const ASSERTION_LIFETIME_SECONDS = 120;
const CLOCK_SKEW_SECONDS = 30;

type OAuth2Mint = MintRequest<OAuth2Upstream>;

/**
 * Any authorization server of OAuth 2: for each session an access token of its own, asked for with no
 * more scope than the granted operations need.
 */
export const oauth2: Connector<OAuth2Upstream> = {
  async mint(request) {
    const { upstream, catalogue, access } = request;
    const configured = upstream.scope === undefined ? undefined : readScope(upstream.scope);
    const needed = upstream.scope_narrowing ? scopesOf(operationsOf(access, catalogue)) : undefined;
    const asked = needed ?? configured;
    const issued = await issue(request, asked?.join(" ") ?? "");
    if (!issued.ok) return issued;
    return mintedToken(issued.value, {
      asked: upstream.scope_narrowing ? asked : undefined,
      revocable: upstream.revocation_endpoint !== undefined,
      now: request.now,
    });
  },

  revoke({ upstream, handle, ...context }) {
    return revokeToken(upstream, handle, context);
  },

  narrowing: ({ scope_narrowing }, operations) => (scope_narrowing ? narrowingByScope(operations) : "proxy"),

  describe: ({ revocation_endpoint }) => ({
    credential: "per_session",
    orphans: "possible",
    ends: revocation_endpoint === undefined ? "expires" : "revocable",
  }),
};

async function issue(request: OAuth2Mint, scope: string): Promise<Result<IssuedToken, ConnectorFault>> {
  const { upstream } = request;
  if (upstream.grant_type === "refresh_token") return request.refresh(upstream, scope);
  if (upstream.grant_type === "authorization_code") return request.draw(upstream, scope);
  const parameters = await grantParameters(request);
  if (!parameters.ok) return parameters;
  const { resource, audience } = upstream;
  const issued = await requestToken(
    upstream,
    upstream.grant_type,
    {
      ...parameters.value,
      ...(scope === "" ? {} : { scope }),
      ...(resource === undefined ? {} : { resource }),
      ...(audience === undefined ? {} : { audience }),
    },
    request,
  );
  return issued.ok ? issued : err(toConnectorFault(issued.error));
}

/** What the grant itself brings. */
async function grantParameters(request: OAuth2Mint): Promise<Result<Record<string, string>, ConnectorFault>> {
  const { upstream, readSecret } = request;
  switch (upstream.grant_type) {
    case "client_credentials":
    case "refresh_token":
    case "authorization_code":
      return ok({});
    case "urn:ietf:params:oauth:grant-type:jwt-bearer": {
      const claims = assertionClaims(request, upstream.subject);
      if (upstream.private_key === undefined) return ok({ assertion: await signAsStint(request, claims) });
      const key = await privateKeyOf(upstream, readSecret);
      if (!key.ok) return key;
      const { client_id: iss, private_key_id } = upstream;
      return ok({ assertion: await signPemJwt(key.value, { iss, ...claims }, private_key_id) });
    }
    case "urn:ietf:params:oauth:grant-type:token-exchange": {
      const { subject, subject_token, subject_token_type } = upstream;
      if (subject_token === undefined)
        return ok({
          subject_token: await signAsStint(request, assertionClaims(request, subject)),
          subject_token_type,
        });
      const token = await readSecret(subject_token.secret);
      return token === undefined
        ? err({ kind: "misconfigured", missing: subject_token.secret })
        : ok({ subject_token: token, subject_token_type });
    }
  }
}

/** RFC 7523 §3, all but `iss`. */
function assertionClaims({ upstream, session, now }: OAuth2Mint, subject: string | undefined) {
  return {
    sub: subject ?? session.sub,
    aud: upstream.authorization_server ?? upstream.token_endpoint,
    iat: now - CLOCK_SKEW_SECONDS,
    exp: now + ASSERTION_LIFETIME_SECONDS,
    jti: newId("ast_"),
  };
}

/** By Stint, where the authorization server trusts it as an issuer: then no secret is stored at all. */
function signAsStint({ session, signAsStint }: OAuth2Mint, claims: object): Promise<string> {
  const { issuer: iss, client_id, session_id } = session;
  return signAsStint({ iss, client_id, session_id, ...claims });
}

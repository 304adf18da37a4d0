import * as z from "zod/v4";
import { importPem, signPemJwt, type PemKey } from "../crypto/pem-jwt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { GoogleServiceAccountUpstream, OAuthClient } from "../domain/upstream.ts";
import type { Connector, ConnectorFault, MintRequest } from "./connector.ts";
import { mintedToken } from "./issued-token.ts";
import { narrowingByScope, operationsOf, scopesOf } from "./scopes.ts";
import { requestToken, toConnectorFault } from "./token-endpoint.ts";

const ASSERTION_LIFETIME_SECONDS = 120;
/** The upstream lets none of its tokens live longer. */
const LONGEST_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 30;
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Of the key file only what says who it is. Its `token_uri` is not followed: the tenant's document says where to ask. */
const keyFile = z.object({
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  private_key_id: z.string().optional(),
});

interface ServiceAccount {
  readonly email: string;
  readonly key: PemKey;
  readonly kid: string | undefined;
}

/**
 * A Google service account: for each session an access token with no more scopes than the granted
 * operations need, and, with `subject`, as that user of the domain. Google cannot take such a token
 * back; it ends by itself within the hour.
 */
export const googleServiceAccount: Connector<GoogleServiceAccountUpstream> = {
  async mint(request) {
    const { upstream, catalogue, access, now } = request;
    const scopes = scopesOf(operationsOf(access, catalogue));
    // A token without scopes is good for nothing, and Google has none by default.
    if (scopes === undefined || scopes.length === 0) return err({ kind: "misconfigured", missing: "scopes" });
    const account = await readAccount(request);
    if (!account.ok) return account;
    const { email, key, kid } = account.value;
    const claims = {
      iss: email,
      scope: scopes.join(" "),
      aud: upstream.token_endpoint,
      iat: now - CLOCK_SKEW_SECONDS,
      exp: now + ASSERTION_LIFETIME_SECONDS,
      ...(upstream.subject === undefined ? {} : { sub: upstream.subject }),
    };
    const assertion = await signPemJwt(key, claims, kid);
    const issued = await requestToken(clientOf(upstream, email), GRANT_TYPE, { assertion }, request);
    if (!issued.ok) return err(toConnectorFault(issued.error));
    return mintedToken(issued.value, { asked: scopes, revocable: false, now });
  },

  async revoke() {
    return ok("revoked");
  },

  narrowing: (_, operations) => narrowingByScope(operations),

  describe: () => ({
    credential: "per_session",
    orphans: "possible",
    longestSeconds: LONGEST_SECONDS,
    ends: "expires",
  }),
};

/** The assertion says who asks, so nothing else does. */
function clientOf({ token_endpoint }: GoogleServiceAccountUpstream, email: string): OAuthClient {
  return { token_endpoint, client_id: email, token_endpoint_auth_method: "none" };
}

async function readAccount({
  upstream,
  readSecret,
}: MintRequest<GoogleServiceAccountUpstream>): Promise<Result<ServiceAccount, ConnectorFault>> {
  const name = upstream.service_account_key.secret;
  const file = parseKeyFile((await readSecret(name)) ?? "");
  const key = file === undefined ? undefined : await importPem(file.private_key);
  if (file === undefined || key === undefined) return err({ kind: "misconfigured", missing: name });
  return ok({ email: file.client_email, key, kid: file.private_key_id });
}

function parseKeyFile(text: string): z.infer<typeof keyFile> | undefined {
  try {
    return keyFile.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

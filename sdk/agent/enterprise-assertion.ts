import { DpopSender, type Fetch } from "../shared/dpop-sender.ts";
import { StintError } from "../shared/stint-error.ts";
import { discoverServer } from "./discovery.ts";
import type { Assert } from "./own-access.ts";
import type { RegisteredClient } from "./registered-client.ts";
import { demandGrant, redeem } from "./token-request.ts";

const TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG_TYPE = "urn:ietf:params:oauth:token-type:id-jag";

export interface EnterpriseAssertionOptions {
  /** As whom the identity provider knows this program; its issuer is the identity provider. */
  readonly client: RegisteredClient;
  /** The ID token of the person who signed in to this program there. It is shown to nobody else. */
  readonly idToken: () => Promise<string>;
  readonly fetch?: Fetch;
}

/**
 * Has the enterprise's identity provider say who the program works for (ID-JAG,
 * draft-ietf-oauth-identity-assertion-authz-grant §4.3): what it allows, and for whom, it decides.
 */
export function enterpriseAssertion({ client, idToken, fetch }: EnterpriseAssertionOptions): Assert {
  const plainFetch: Fetch = fetch ?? ((url, init) => globalThis.fetch(url, init));
  return async ({ issuer, resource, scope }) => {
    const provider = await discoverServer(client.issuer, plainFetch);
    demandGrant(provider, TOKEN_EXCHANGE_GRANT);
    const form = {
      grant_type: TOKEN_EXCHANGE_GRANT,
      requested_token_type: ID_JAG_TYPE,
      audience: issuer,
      resource,
      ...(scope === undefined ? {} : { scope }),
      subject_token: await idToken(),
      subject_token_type: ID_TOKEN_TYPE,
    };
    const wires = { sender: new DpopSender(undefined, plainFetch), fetch: plainFetch };
    const { access_token: assertion, issued_token_type: type } = await redeem(provider, client, form, wires);
    // Anything else could be a token that opens doors, and would be shown to the other server.
    if (typeof assertion !== "string" || type !== ID_JAG_TYPE)
      throw new StintError("invalid_token_answer", "the identity provider issued no assertion", 0);
    return assertion;
  };
}

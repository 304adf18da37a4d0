import type { Upstream } from "../domain/upstream.ts";
import { apiKey } from "./api-key.ts";
import type { Connector } from "./connector.ts";
import { githubApp } from "./github-app.ts";
import { googleOAuth } from "./google-oauth.ts";
import { googleServiceAccount } from "./google-service-account.ts";
import { jwt } from "./jwt.ts";
import { oauth2 } from "./oauth2.ts";
import { slack } from "./slack.ts";

const CONNECTORS: { readonly [K in Upstream["connector"]]: Connector<Extract<Upstream, { connector: K }>> } = {
  github_app: githubApp,
  api_key: apiKey,
  slack,
  jwt,
  oauth2,
  google_oauth: googleOAuth,
  google_service_account: googleServiceAccount,
};

/** The connector of an upstream. */
export function connectorFor({ connector }: Upstream): Connector<Upstream> {
  return CONNECTORS[connector];
}

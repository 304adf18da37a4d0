import type { Upstream } from "../domain/tenant.ts";
import { apiKey } from "./api-key.ts";
import type { Connector } from "./connector.ts";
import { githubApp } from "./github-app.ts";

/** The connector of an upstream. */
export function connectorFor(upstream: Upstream): Connector<Upstream> {
  switch (upstream.connector) {
    case "github_app":
      return githubApp;
    case "api_key":
      return apiKey;
  }
}

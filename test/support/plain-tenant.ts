import type { JWK } from "jose";

/** What differs from one plain tenant to the next. */
export interface PlainTenant {
  readonly issuer: string;
  readonly agents: readonly string[];
  /** The one key of all agents. */
  readonly publicJwk: JWK;
  readonly upstreamUrl: string;
  /** The name of the secret that holds the upstream's key. */
  readonly keySecret: string;
  /** Where the approver is told; they are not, where it is left out. */
  readonly slack?: { readonly url: string; readonly secret: string };
  readonly maxDuration?: string;
}

/** The document of a tenant where agents of Sam's may read at one upstream, if Dana approves by link. */
export function plainTenant({
  issuer,
  agents,
  publicJwk,
  upstreamUrl,
  keySecret,
  slack,
  maxDuration = "1h",
}: PlainTenant): { readonly issuer: string; readonly [member: string]: unknown } {
  return {
    issuer,
    agents: agents.map((client_id) => ({ client_id, name: client_id, owner: "sam", jwks: { keys: [publicJwk] } })),
    people: [
      { id: "dana", name: "Dana", roles: ["approver"], ...(slack === undefined ? {} : { slack: "U000000001" }) },
      { id: "sam", name: "Sam" },
    ],
    upstreams: [
      {
        id: "api",
        connector: "api_key",
        base_url: upstreamUrl,
        api_key: { secret: keySecret },
        catalogue: { operations: { read: { access: "read", title: "Read", routes: ["GET /things"] } } },
      },
    ],
    policies: [
      { id: "p", agents, allow: ["api:read"], max_duration: maxDuration, approvers: ["dana"], assurance: "link" },
    ],
    ...(slack === undefined ? {} : { notify: { slack: { token: { secret: slack.secret }, base_url: slack.url } } }),
  };
}

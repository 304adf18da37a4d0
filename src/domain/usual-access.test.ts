import { describe, expect, it } from "vitest";
import { compileTenant } from "./compiled-tenant.ts";
import { policiesOf } from "./policy.ts";
import type { AccessDetail } from "./access.ts";
import type { Catalogue, Server, TenantDocument, TrustPolicy } from "./tenant.ts";
import { allowedTools, usualReading } from "./usual-access.ts";

const catalogue: Catalogue = {
  operations: {
    "issues:read": { access: "read", title: "Read", routes: ["GET /:a/:b/issues"], location: ":a/:b" },
    "issues:write": { access: "write", title: "Write", routes: ["POST /:a/:b/issues"], location: ":a/:b" },
    "pulls:read": { access: "read", title: "Read", routes: ["GET /:a/:b/pulls"], location: ":a/:b" },
    "user:read": { access: "read", title: "Read", routes: ["GET /user"] },
  },
};
const key = { connector: "api_key", api_key: { secret: "K" }, header: "Authorization", scheme: "Bearer" } as const;
const policy: Omit<TrustPolicy, "allow"> = {
  id: "p",
  agents: ["bot"],
  max_duration: "30m",
  approvers: ["dana"],
  assurance: "link",
  solo: false,
  quorum: 1,
  enter_match_code: false,
};

function usual(...allowed: string[][]) {
  const document: TenantDocument = {
    issuer: "https://stint.test",
    agents: [],
    client_metadata_hosts: [],
    identity_providers: [],
    people: [],
    upstreams: ["api", "api-two"].map((id) => ({ ...key, id, base_url: `https://${id}.test`, catalogue })),
    servers: [],
    policies: allowed.map((allow, at) => ({ ...policy, id: `p${at}`, allow })),
    notify: {},
    limits: { open_requests_per_approver: 10 },
  };
  const { tenant } = compileTenant(document, () => undefined);
  return usualReading(tenant, policiesOf(tenant, "bot"));
}
const at = (actions: string[], location?: string, upstream = "api") => ({
  type: "upstream_access",
  upstream,
  actions,
  ...(location === undefined ? {} : { locations: [location] }),
});

describe("usualReading", () => {
  it("is what only reads, where the policy writes the place out", () => {
    expect(usual(["api:*@acme/api"])).toEqual([at(["issues:read", "pulls:read"], "acme/api")]);
    expect(usual(["api:issues:read@acme/api", "api:issues:write@acme/api", "api:pulls:read@acme/web"])).toEqual([
      at(["issues:read"], "acme/api"),
      at(["pulls:read"], "acme/web"),
    ]);
  });

  it("is what knows no places, too", () => {
    expect(usual(["api:user:read", "api-two:*"])).toEqual([at(["user:read"]), at(["user:read"], undefined, "api-two")]);
  });

  it("guesses nothing for a place with a star, and holds no tool of a server", () => {
    expect(usual(["api:issues:read@acme/*", "api:issues:write@acme/*", "mcp:tickets:list"])).toEqual([]);
    expect(usual(["api:issues:read@acme/*", "api:issues:write@acme/api"])).toEqual([at(["issues:read"], "acme/api")]);
  });

  it("is of one policy alone, the first that has any, for one has to cover all that is asked", () => {
    expect(usual(["api:issues:write@acme/api"], ["api:issues:read@acme/api"], ["api:user:read"])).toEqual([
      at(["issues:read"], "acme/api"),
    ]);
  });
});

describe("allowedTools", () => {
  const tool = { access: "read", operations: [] } as const;
  const server: Server = {
    id: "notes",
    resource: "https://notes.test/mcp",
    owner: "sam",
    trust: "remote",
    definitions: "pinned",
    jwks: { keys: [] },
    dpop_bound_access_tokens_required: true,
    hand_out: [],
    tools: { list: tool, add: tool },
  };
  const tools = (...actions: string[]) => [{ type: "mcp_tools", server: "notes", actions }] as const;
  const onlyList = (unit: string) => unit === "mcp:notes:list";

  it("leaves out of a server's tools what the policy does not allow", () => {
    expect(allowedTools(tools("list", "add"), server, onlyList)).toEqual(tools("list"));
    expect(allowedTools([...tools("add"), ...tools("list")], server, onlyList)).toEqual(tools("list"));
  });

  it("leaves everything as it is where nothing would be left, or where something else is asked for", () => {
    for (const asked of [
      tools("add"),
      tools("list", "erase"),
      tools("list", "toString"),
      [...tools("list", "add"), at(["issues:read"], "acme/api")] as const,
      [...tools("list", "add"), { type: "mcp_tools", server: "other", actions: ["add"] }] as const,
    ] as readonly AccessDetail[][])
      expect(allowedTools(asked, server, onlyList)).toBe(asked);
  });
});

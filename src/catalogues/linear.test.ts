import { describe, expect, it } from "vitest";
import { compileEndpoints } from "../domain/body-calls.ts";
import { compileTenant } from "../domain/compiled-tenant.ts";
import { readGraphqlRequest } from "../protocol/graphql-request.ts";
import { readTenantDocument } from "../protocol/tenant-document.ts";
import { shippedCatalogue } from "./index.ts";

const ISSUER = "https://stint.acme.example";
const catalogue = shippedCatalogue("linear")!;
const endpoints = compileEndpoints(catalogue);

/** For each field of a document the operations that cover it and what is below it. */
function operationsOf(query: string): string[][] {
  const calls = readGraphqlRequest({ query });
  if (!calls.ok || !endpoints.ok) throw new Error("not judged");
  const endpoint = endpoints.value("/graphql")!;
  return calls.value.map((call) => endpoint.resolve(call).map(({ operation }) => operation));
}

describe("the catalogue for Linear", () => {
  it("compiles, and a tenant's document takes it by name", () => {
    expect(endpoints.ok).toBe(true);
    const document = {
      issuer: ISSUER,
      upstreams: [
        {
          id: "linear",
          connector: "api_key",
          base_url: "https://api.linear.app",
          catalogue: "linear",
          api_key: { secret: "LINEAR_KEY" },
          header: "Authorization",
          scheme: "",
        },
      ],
    };
    const read = readTenantDocument(document, {
      issuer: ISSUER,
      shipped: shippedCatalogue,
      allowPrivateNetwork: false,
    });
    if (!read.ok) throw new Error(JSON.stringify(read.error));
    const { tenant } = compileTenant(read.value.document, shippedCatalogue);
    expect(tenant.upstreams.get("linear")?.endpoint("/graphql")?.protocol).toBe("graphql");
  });

  it.each<[string, string[]]>([
    [
      '{ issue(id: "ENG-1") { id title state { name } team { key } comments { nodes { body user { name } } } } }',
      ["issues:read"],
    ],
    ['{ searchIssues(term: "x") { totalCount nodes { identifier title url } } }', ["issues:read"]],
    ['{ attachmentsForURL(url: "x") { nodes { issue { identifier } } } }', ["issues:read"]],
    ["mutation { issueCreate(input: {}) { success issue { id identifier url } } }", ["issues:write"]],
    ['mutation { issueUpdate(id: "1", input: {}) { success } }', ["issues:write"]],
    ["mutation { issueBatchUpdate(ids: [], input: {}) { success } }", ["issues:batch"]],
    ['mutation { issueDelete(id: "1") { success } }', ["issues:delete"]],
    ["mutation { commentCreate(input: {}) { success comment { id body } } }", ["comments:write"]],
    ['{ project(id: "1") { name progress projectUpdates { nodes { body health } } } }', ["projects:read"]],
    ["{ viewer { id name email } }", ["workspace:read"]],
    ["{ teams { nodes { id key states { nodes { name type } } } } }", ["workspace:read"]],
    // What would let somebody in, or more than one asked for.
    ['{ issue(id: "1") { team { webhooks { nodes { secret } } } } }', []],
    ['{ issue(id: "1") { creator { email } } }', []],
    ["{ teams { nodes { inviteHash } } }", []],
    ["{ viewer { organization { users { nodes { email } } } } }", []],
    ["{ viewer { calendarHash } }", []],
    ["{ webhooks { nodes { secret } } }", []],
    ["{ auditEntries { nodes { id } } }", []],
    ["{ organization { id } }", []],
    ["{ apiKeys { nodes { id } } }", []],
    ["{ __schema { types { name } } }", []],
    ["mutation { apiKeyCreate(input: {}) { success } }", []],
    ["mutation { webhookCreate(input: {}) { success webhook { secret } } }", []],
    ['mutation { teamDelete(id: "1") { success } }', []],
    ['mutation { userChangeRole(id: "1") { success } }', []],
    ["mutation { issueImportCreateGithub { success } }", []],
    // A query of a mutation's name is not the mutation.
    ["{ issueCreate { success } }", []],
  ])("names %s", (query, operations) => {
    expect(operationsOf(query)).toEqual([operations]);
  });

  it("holds every mutation to be a write, gives no field two meanings, and names nothing that opens a door", () => {
    const named = new Set<string>();
    for (const [name, { access, title, graphql }] of Object.entries(catalogue.operations)) {
      expect(title).not.toBe("");
      if (graphql?.mutation !== undefined) expect(access, name).toBe("write");
      const { query = [], mutation = [] } = graphql ?? {};
      for (const call of [...query.map((field) => `query ${field}`), ...mutation.map((field) => `mutation ${field}`)]) {
        expect(named.has(call), call).toBe(false);
        named.add(call);
      }
      expect(graphql?.selects, name).toBeDefined();
      for (const door of ["secret", "webhooks", "inviteHash", "calendarHash", "organization", "integrations", "token"])
        expect(graphql?.selects, name).not.toContain(door);
    }
  });
});

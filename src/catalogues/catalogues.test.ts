import { describe, expect, it } from "vitest";
import { compileCatalogue } from "../domain/operations.ts";
import { tenantDocumentSchema } from "../protocol/tenant/schema.ts";
import { shippedCatalogue } from "./index.ts";

describe("the catalogue for GitHub", () => {
  const catalogue = shippedCatalogue("github")!;
  const compiled = compileCatalogue(catalogue);

  it("compiles, and every operation has words, a location and a permission", () => {
    expect(compiled.ok).toBe(true);
    for (const operation of Object.values(catalogue.operations)) {
      expect(operation.title).not.toBe("");
      expect(operation.location).toBe(":owner/:repo");
      expect(Object.keys(operation.permissions ?? {})).not.toEqual([]);
    }
  });

  it.each([
    ["GET", "/repos/acme/api/issues", ["issues:read"]],
    ["GET", "/repos/acme/api/issues/7/comments", ["issues:read"]],
    // GitHub's list of permissions has these under Issues: metadata alone does not open them.
    ["GET", "/repos/acme/api/labels", ["issues:read"]],
    ["GET", "/repos/acme/api/assignees", ["issues:read"]],
    ["GET", "/repos/acme/api/topics", ["repository:read"]],
    ["POST", "/repos/acme/api/issues", ["issues:write"]],
    ["GET", "/repos/acme/api/contents/src/index.ts", ["contents:read"]],
    ["PUT", "/repos/acme/api/pulls/1/merge", ["pulls:merge"]],
    ["DELETE", "/repos/acme/api", []],
    ["PATCH", "/repos/acme/api", []],
    ["GET", "/user", []],
    ["POST", "/graphql", []],
    ["GET", "/repos/acme/api/hooks", []],
    ["POST", "/repos/acme/api/hooks", []],
    ["GET", "/repos/acme/api/issues/7/comments/x/y", []],
  ])("names %s %s", (method, path, operations) => {
    const calls = compiled.ok ? compiled.value(method, path, []) : [];
    expect(calls.map(({ operation }) => operation)).toEqual(operations);
    for (const { location } of calls) expect(location).toBe("acme/api");
  });
});

type Case = readonly [call: string, operations: readonly string[]];
const CALLS: Readonly<Record<string, readonly Case[]>> = {
  github: [["GET /repos/acme/api/pulls/1/files", ["pulls:read"]]],
  gmail: [
    ["GET /gmail/v1/users/me/messages/18c/attachments/ANG", ["messages:read"]],
    ["GET /gmail/v1/users/me/drafts/r1", ["messages:read"]],
    ["POST /gmail/v1/users/me/messages/send", ["messages:send"]],
    ["POST /gmail/v1/users/me/drafts", ["drafts:write"]],
    ["POST /gmail/v1/users/me/drafts/send", ["drafts:send"]],
    ["POST /gmail/v1/users/me/messages/batchDelete", ["messages:delete"]],
    ["POST /gmail/v1/users/me/settings/forwardingAddresses", []],
    ["POST /gmail/v1/users/me/settings/filters", []],
    ["GET /gmail/v1/users/sam@acme.example/messages", []],
    ["POST /gmail/v1/users/me/watch", []],
  ],
  "google-calendar": [
    ["GET /calendar/v3/calendars/primary/events", ["events:read"]],
    ["GET /calendar/v3/calendars/dana@acme.example/events/e1/instances", ["events:read"]],
    ["POST /calendar/v3/calendars/primary/events", ["events:write"]],
    ["POST /calendar/v3/calendars/primary/clear", ["calendars:write"]],
    ["POST /calendar/v3/calendars/primary/acl", ["sharing:write"]],
    ["POST /calendar/v3/freeBusy", ["freebusy:read"]],
    // It would put the event into a calendar that the path does not name.
    ["POST /calendar/v3/calendars/primary/events/e1/move", []],
    ["POST /calendar/v3/calendars/primary/events/watch", []],
  ],
  "google-drive": [
    ["GET /drive/v3/files/1aB", ["files:read"]],
    ["GET /drive/v3/files/1aB/export", ["files:read"]],
    ["PATCH /upload/drive/v3/files/1aB", ["files:write"]],
    ["DELETE /drive/v3/files/1aB", ["files:delete"]],
    ["POST /drive/v3/files/1aB/permissions", ["sharing:write"]],
    ["POST /drive/v3/files/1aB/watch", []],
    ["POST /drive/v3/drives", []],
  ],
  notion: [
    ["POST /v1/search", ["search:read"]],
    ["POST /v1/databases/d1/query", ["databases:read"]],
    ["POST /v1/data_sources/d1/query", ["databases:read"]],
    ["PATCH /v1/data_sources/d1", ["databases:update"]],
    ["PATCH /v1/blocks/b1/children", ["pages:create"]],
    ["PATCH /v1/blocks/b1", ["pages:update"]],
    ["GET /v1/users/me", ["users:read", "users:read"]],
    ["POST /v1/oauth/token", []],
  ],
  slack: [
    ["GET /conversations.list", ["channels:read"]],
    ["POST /conversations.history", ["messages:read"]],
    ["POST /chat.postMessage", ["messages:write"]],
    ["GET /chat.postMessage", []],
    // Its effect would come after the session.
    ["POST /chat.scheduleMessage", []],
    ["POST /auth.revoke", []],
    ["POST /admin.users.invite", []],
    ["POST /conversationsXlist", []],
  ],
  stripe: [
    ["GET /v1/customers/cus_1", ["customers:read"]],
    ["POST /v1/customers/cus_1", ["customers:write"]],
    ["POST /v1/refunds", ["refunds:write"]],
    ["POST /v1/invoices/in_1/pay", ["invoices:pay"]],
    ["POST /v1/invoices/in_1/finalize", ["invoices:write"]],
    ["GET /v1/balance", ["balance:read"]],
    ["POST /v1/payouts", []],
    ["POST /v1/webhook_endpoints", []],
    ["POST /v1/accounts", []],
    ["POST /v1/customers/cus_1/sources", []],
  ],
};

describe.each(Object.entries(CALLS))("the catalogue for %s", (name, cases) => {
  const catalogue = shippedCatalogue(name)!;
  const compiled = compileCatalogue(catalogue);
  const resolve = compiled.ok ? compiled.value : () => [];

  it("is what a tenant's own catalogue could be, and says what each operation needs at the upstream", () => {
    expect(compiled.ok).toBe(true);
    const upstream = { id: "it", connector: "api_key", base_url: "https://api.example", api_key: { secret: "KEY" } };
    const read = tenantDocumentSchema.safeParse({
      issuer: "https://stint.example",
      upstreams: [{ ...upstream, catalogue }],
    });
    expect(read.error).toBeUndefined();
    for (const [operation, { scopes, permissions }] of Object.entries(catalogue.operations))
      expect([...(scopes ?? []), ...Object.keys(permissions ?? {})], operation).not.toEqual([]);
  });

  it.each(cases)("names %s as %j", (call, operations) => {
    const [method = "", path = ""] = call.split(" ");
    expect(resolve(method, path, []).map(({ operation }) => operation)).toEqual(operations);
  });

  it("gives no call both as a read and as a write", () => {
    for (const [name, { routes, access }] of Object.entries(catalogue.operations)) {
      for (const route of routes) {
        const [method = "", path = ""] = route.split(" ");
        const example = path.replaceAll(/:([A-Za-z_]+)\+?/g, "x");
        const accesses = resolve(method, example, []).map((call) => call.access);
        expect(new Set(accesses), `${name}: ${route}`).toEqual(new Set([access]));
      }
    }
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { approvedSession, startTestWorld, tokenOf, type Approved, type TestWorld } from "./support/world.ts";

/** Names that every object inherits: what is looked up by them must be what stands there itself. */
const OPERATIONS = {
  toString: { access: "read", title: "Read things", routes: ["GET /things"] },
  valueOf: { access: "write", title: "Change things", routes: ["POST /things"] },
};
const INHERITED = [
  { type: "upstream_access", upstream: "constructor", actions: ["toString", "valueOf"] },
  { type: "mcp_tools", server: "constructor", actions: ["toString"] },
];

let world: TestWorld;
let working: Approved;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => {
      const { servers, upstreams, policies } = document as {
        servers: object[];
        upstreams: object[];
        policies: { allow: string[] }[];
      };
      return {
        ...document,
        upstreams: [
          ...upstreams,
          {
            id: "constructor",
            connector: "api_key",
            base_url: "http://localhost:9",
            api_key: { secret: "WEATHER_KEY" },
            catalogue: { operations: OPERATIONS },
          },
        ],
        servers: [
          ...servers,
          {
            ...servers[0],
            id: "constructor",
            resource: "http://localhost:9/constructor",
            tools: { toString: { access: "read", operations: ["constructor:toString"] } },
          },
        ],
        policies: policies.map((policy) => ({
          ...policy,
          allow: [...policy.allow, "constructor:*", "mcp:constructor:*"],
        })),
      };
    },
  });
  working = await approvedSession(world);
});
afterAll(() => world?.close());

const versionOf = async () => (await world.broker.admin("GET", "/admin/tenant")).body["version"];

describe("what an operator sends (group W)", () => {
  it.each([
    "?dry_run",
    "?dry_run=",
    "?dry_run=1",
    "?dry_run=TRUE",
    "?dry-run=true",
    "?dryRun=true",
    "?dry_run=true&dry_run=false",
    "?dry_run=false&dry_run=true",
    "?dry_run=true&x=1",
  ])("W05 is no dry run that is misspelled, and changes nothing (%s)", async (query) => {
    const before = await versionOf();
    const changed = { ...world.document, limits: { open_requests_per_approver: 77 } };
    const { status, body } = await world.broker.admin("POST", `/admin/tenant${query}`, changed);
    expect([status, body["error"]]).toEqual([400, "invalid_request"]);
    expect(await versionOf()).toBe(before);
  });

  it.each(["?after=", "?after=-1", "?after=1e3", "?after=0x10", "?after=%205", "?after=1&after=2", "?limit=1"])(
    "W05 is a row number as people write them (%s)",
    async (query) => {
      expect((await world.broker.admin("GET", `/admin/audit${query}`)).status).toBe(400);
    },
  );

  it.each<[string, string, string, object]>([
    ["keys to rotate", "POST", "/admin/keys/rotate", { uses: "checkpoint" }],
    ["a reason", "POST", "/admin/revoke", { reson: "a typing error" }],
    ["a secret", "PUT", "/admin/secrets/NEW_KEY", { value: "x", valeu: "y" }],
    ["a passkey", "POST", "/admin/people/dana@acme.example/passkeys/revoke", { credential: "x" }],
    ["an invitation", "POST", "/admin/people/dana@acme.example/invite", { at_onec: true }],
    ["an invitation that is no truth value", "POST", "/admin/people/dana@acme.example/invite", { at_once: "true" }],
  ])("W05 has no member that would go unheard: %s", async (_, method, path, body) => {
    const keys = async () => (await world.broker.admin("GET", "/admin/keys")).body;
    const before = await keys();
    const answer = await world.broker.admin(method, path, body);
    expect([answer.status, answer.body["error"]]).toEqual([400, "invalid_request"]);
    expect(await keys()).toEqual(before);
    expect((await working.agent.introspect(working.sessionToken)).body["active"]).toBe(true);
  });

  it.each(["a%00b", "%ff", "%20", "dan%D0%B0@acme.example", "x".repeat(300)])(
    "N03 names nobody who could ever have been there (%s)",
    async (id) => {
      for (const [method, path] of [
        ["POST", "revoke"],
        ["GET", "accounts"],
        ["POST", "passkeys/revoke"],
        ["DELETE", "away"],
      ] as const) {
        const body = method === "POST" ? {} : undefined;
        expect((await world.broker.admin(method, `/admin/people/${id}/${path}`, body)).status).toBe(404);
      }
    },
  );

  it("B14 may name things as every object's members are named", async () => {
    const renamed = JSON.parse(
      JSON.stringify(world.document).replace('"secrets:read"', '"hasOwnProperty"').replace("/secrets", "/others"),
    ) as object;
    const { status, body } = await world.broker.admin("POST", "/admin/tenant?dry_run=true", renamed);
    expect(status).toBe(200);
    const changes = body["changes"] as { path: string; op: string }[];
    expect(changes.map(({ path, op }) => `${op} ${path.split("/").at(-1)}`)).toEqual(
      expect.arrayContaining(["add hasOwnProperty", "remove secrets:read"]),
    );
  });

  it("B14 lends what is named so like anything else", async () => {
    const { agent, sessionToken } = await approvedSession(world, { authorization_details: INHERITED });
    const audiences = ["/proxy/constructor", "/mcp/constructor", "/mcp"].map((path) => world.issuer + path);
    for (const audience of [...audiences, "http://localhost:9/constructor"])
      expect(tokenOf(await agent.exchange(sessionToken, audience))).toMatch(/^ey/);
    const other = await approvedSession(world);
    for (const name of ["constructor", "toString", "__proto__"])
      expect((await other.agent.exchange(other.sessionToken, `${world.issuer}/proxy/${name}`)).status).toBe(400);
  });
});

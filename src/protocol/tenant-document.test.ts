import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { readTenantDocument } from "./tenant-document.ts";

const page = readFileSync("docs/tenant.md", "utf8");
const examples = [...page.matchAll(/```json\n([^]*?)```/g)].map(([, text = ""]) => text);
const example = () => JSON.parse(examples[0] ?? "null") as Record<string, never>;

type Loose = Record<string, Record<string, unknown>[]>;
const setting = { shipped: shippedCatalogue, allowPrivateNetwork: false };

describe("the tenant document", () => {
  it("reads the one in docs/tenant.md, and warns of what link is worth", () => {
    const read = readTenantDocument(example(), { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({ ok: true, value: { warnings: [{ path: "/policies/0/assurance" }] } });
  });

  it("reads the identity provider in docs/tenant.md", () => {
    const sso: unknown = JSON.parse(examples[1] ?? "null");
    const read = readTenantDocument({ ...example(), sso } as never, { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({ ok: true, value: { document: { sso } } });
  });

  it("demands passkeys where nothing is said", () => {
    const { policies, ...rest } = example() as Record<string, unknown[]>;
    const [{ assurance: _, ...policy }] = policies as [Record<string, unknown>];
    const read = readTenantDocument({ ...rest, policies: [policy] } as never, {
      issuer: "http://localhost:8787",
      ...setting,
    });
    expect(read).toMatchObject({
      ok: true,
      value: {
        document: { policies: [{ assurance: "passkey", solo: false }] },
        warnings: [],
      },
    });
  });

  it.each<[string, object[], string[]]>([
    ["the same mailbox, in other letters", [{ email: "Dana@acme.example" }], ["dana@acme.example"]],
    ["the same Slack member", [{ slack: "U012ABCDEF" }, { slack: "U012ABCDEF" }], ["Slack U012ABCDEF"]],
    ["places of their own", [{ slack: "U012ABCDEF" }, { slack: "U012ABCDEG" }], []],
  ])("W03 warns of people who are reached at one place: %s", (_, others, warned) => {
    const people = [
      { id: "dana@acme.example", name: "Dana" },
      ...others.map((one, at) => ({ id: `person-${at}@acme.example`, name: `Person ${at}`, ...one })),
    ];
    const read = readTenantDocument({ issuer: "https://a.test", people } as never, {
      issuer: "https://a.test",
      ...setting,
    });
    expect(read).toMatchObject({
      ok: true,
      value: { warnings: warned.map((place) => ({ message: expect.stringContaining(`(${place})`) as string })) },
    });
  });

  it("reads an empty tenant, in which nobody may do anything", () => {
    expect(readTenantDocument({ issuer: "https://a.test" }, { issuer: "https://a.test", ...setting })).toMatchObject({
      ok: true,
      value: { document: { agents: [], policies: [] } },
    });
  });

  it.each([
    [
      "/upstreams/0/base_url",
      (document: Loose) => (document["upstreams"]![0]!["base_url"] = "https://169.254.169.254"),
    ],
    ["/upstreams/0/base_url", (document: Loose) => (document["upstreams"]![0]!["base_url"] = "http://api.github.com")],
    [
      "/upstreams/1/base_url",
      (document: Loose) => (document["upstreams"]![1]!["base_url"] = "https://metadata.google.internal"),
    ],
    [
      "/notify/email/smtp",
      (document: Loose) =>
        (document["notify"] = { email: { from: "a@b.com", smtp: { host: "10.0.0.1", port: 25 } } } as never),
    ],
  ])("W05 refuses an address at %s that it would not call, unless private networks are allowed", (path, change) => {
    const document = example() as Loose;
    change(document);
    const read = readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({ ok: false, error: [{ path }] });
    expect(
      readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting, allowPrivateNetwork: true })
        .ok,
    ).toBe(true);
  });

  it.each<[string, string, (document: Loose) => unknown]>([
    [
      "an owner who is nobody",
      "/upstreams/0/owner",
      (document) => (document["upstreams"]![0]!["owner"] = "x@acme.example"),
    ],
    [
      "no least level",
      "/policies/0/assurance",
      (document) => (document["policies"]![0]!["assurance"] = [{ level: "passkey", access: "write" }]),
    ],
    [
      "a misspelt unit",
      "/policies/0/assurance/1/units/0",
      (document) =>
        (document["policies"]![0]!["assurance"] = [{ level: "link" }, { level: "passkey", units: ["github:isues:*"] }]),
    ],
    ["no rules", "/policies/0/assurance", (document) => (document["policies"]![0]!["assurance"] = [])],
    [
      "an unknown condition",
      "/policies/0/assurance/0",
      (document) => (document["policies"]![0]!["assurance"] = [{ level: "link", if: "x" }]),
    ],
    [
      "definitions signed by keys that are published elsewhere",
      "/servers/0/definitions",
      (document) => {
        const { jwks: _, ...server } = document["servers"]![0]!;
        document["servers"]![0] = { ...server, definitions: "signed", jwks_uri: "https://tickets.acme.example/keys" };
      },
    ],
    [
      "definitions signed by no key",
      "/servers/0/definitions",
      (document) => (document["servers"]![0]!["definitions"] = "signed"),
    ],
    [
      "definitions signed by a local server",
      "/servers/0/definitions",
      (document) => Object.assign(document["servers"]![0]!, { definitions: "signed", trust: "local" }),
    ],
    [
      "an unknown word for approvers",
      "/policies/0/approvers/0",
      (document) => (document["policies"]![0]!["approvers"] = ["owner:server"]),
    ],
    [
      "P13 an address that a URL parser would mend",
      "/upstreams/0/base_url",
      (document) => (document["upstreams"]![0]!["base_url"] = "https://api.github.com/a/../b"),
    ],
    [
      "F10 the broker itself",
      "/upstreams/0/base_url",
      (document) => (document["upstreams"]![0]!["base_url"] = "http://localhost:8787/proxy/github"),
    ],
    [
      "P13 an address in capitals",
      "/upstreams/0/base_url",
      (document) => (document["upstreams"]![0]!["base_url"] = "https://API.github.com"),
    ],
    [
      "a person whose id is another's in other letters",
      "/people/1",
      (document) => (document["people"] = [document["people"]![0]!, { id: "DANA@acme.example", name: "D" }]),
    ],
    [
      "an agent whose id is another's in other letters",
      "/agents/1",
      (document) => {
        const [agent] = document["agents"] as [Record<string, unknown>];
        document["agents"] = [
          agent,
          { ...agent, client_id: String(agent["client_id"]).toUpperCase(), name: "Another" },
        ];
      },
    ],
  ])("refuses %s, and says where", (_, path, change) => {
    const document = example() as Loose;
    change(document);
    const read = readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({ ok: false, error: expect.arrayContaining([expect.objectContaining({ path })]) });
  });

  it("warns of a server that accepts its own definitions", () => {
    const document = example() as Loose;
    const jwks = { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y" }] };
    Object.assign(document["servers"]![0]!, { definitions: "signed", jwks });
    const read = readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({
      value: { warnings: expect.arrayContaining([expect.objectContaining({ path: "/servers/0/definitions" })]) },
    });
  });

  it("reads rules of assurance, and warns of every level that is worth a warning", () => {
    const document = example() as Loose;
    document["upstreams"]![0]!["owner"] = "sam@acme.example";
    document["policies"]![0]!["approvers"] = ["owner:upstream", "group:platform"];
    document["policies"]![0]!["assurance"] = [
      { level: "link" },
      { level: "passkey", access: "write" },
      { level: "sso+passkey", units: ["github:*@acme/api"], longer_than: "15m" },
    ];
    const read = () => readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting });
    expect(read()).toMatchObject({
      ok: false,
      error: [{ path: "/policies/0/assurance", message: '"sso+passkey" needs sso to be configured' }],
    });
    (document as Record<string, unknown>)["sso"] = {
      issuer: "https://login.example.com",
      client_id: "stint",
      client_secret: { secret: "SSO_SECRET" },
    };
    expect(read()).toMatchObject({
      ok: true,
      value: { warnings: [{ message: expect.stringContaining("the link") }] },
    });
  });

  it("says where inside a union something is wrong", () => {
    const document = example() as Record<string, Record<string, unknown>[]>;
    document["upstreams"]![1]!["catalogue"] = {
      operations: { x: { access: "read", title: "X", routes: ["POST /x"] } },
    };
    const read = readTenantDocument(document as never, { issuer: "http://localhost:8787", ...setting });
    expect(read).toMatchObject({
      ok: false,
      error: expect.arrayContaining([
        { path: "/upstreams/1/catalogue/operations/x", message: expect.stringContaining("not a read") },
      ]),
    });
  });
});

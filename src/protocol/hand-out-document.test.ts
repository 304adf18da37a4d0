import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { readTenantDocument } from "./tenant-document.ts";

const ec = (namedCurve = "P-256") => generateKeyPairSync("ec", { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
type Pair = {
  publicKey: { export(options: { format: "jwk" }): object };
  privateKey: { export(options: { format: "jwk" }): object };
};
const publicJwk = ({ publicKey }: Pair): Record<string, unknown> => ({
  ...publicKey.export({ format: "jwk" }),
  kid: "enc",
});
const key = publicJwk(ec());

const secret = { secret: "S" };
const base = { base_url: "https://api.test", catalogue: "github" };
const oauth = {
  ...base,
  connector: "oauth2",
  grant_type: "client_credentials",
  token_endpoint: "https://as.test/t",
  client_id: "c",
  client_secret: secret,
};
const google = { ...base, connector: "google_oauth", client_id: "c", client_secret: secret, refresh_token: secret };
const UPSTREAMS = [
  { ...base, id: "github", connector: "github_app", app_id: "1", installation_id: "1", private_key: secret },
  { ...oauth, id: "oauth" },
  { ...oauth, id: "wide", scope_narrowing: false },
  { ...google, id: "google" },
  { ...google, id: "wide-google", scope_narrowing: false },
  { ...base, id: "account", connector: "google_service_account", service_account_key: secret },
  { ...base, id: "keyed", connector: "api_key", api_key: secret },
  { ...base, id: "slack", connector: "slack", token: secret },
  { ...base, id: "jwt", connector: "jwt" },
  {
    ...base,
    id: "aws",
    connector: "aws",
    role_arn: "arn:aws:iam::123456789012:role/x",
    region: "eu-central-1",
    service: "s3",
    audience: "sts.amazonaws.com",
  },
];

function read(server: object) {
  const document = {
    issuer: "https://stint.test",
    people: [{ id: "dana", name: "Dana" }],
    agents: [],
    upstreams: UPSTREAMS,
    servers: [
      {
        id: "tickets",
        resource: "https://tickets.test/mcp",
        owner: "dana",
        trust: "remote",
        jwks: { keys: [] },
        tools: {},
        ...server,
      },
    ],
    policies: [],
  };
  return readTenantDocument(document as never, {
    issuer: "https://stint.test",
    shipped: shippedCatalogue,
    allowPrivateNetwork: true,
  });
}

describe("hand_out in a tenant's document", () => {
  it("is nothing unless it is written", () => {
    expect(read({})).toMatchObject({ ok: true, value: { document: { servers: [{ hand_out: [] }] }, warnings: [] } });
  });

  it.each(["github", "oauth", "google", "account"])("takes %s, with a warning", (id) => {
    const expected = { path: "/servers/0/hand_out/0", message: expect.stringContaining("no longer holds that server") };
    expect(read({ hand_out: [id], encryption_key: key })).toMatchObject({ ok: true, value: { warnings: [expected] } });
  });

  it.each(["keyed", "slack", "jwt", "aws", "wide", "wide-google", "none"])("refuses %s", (id) => {
    expect(read({ hand_out: [id], encryption_key: key })).toMatchObject({
      ok: false,
      error: [{ path: "/servers/0/hand_out/0" }],
    });
  });

  it("refuses an upstream that is named twice, and hand_out without a key", () => {
    const twice = { ok: false, error: [{ path: "/servers/0/hand_out/1" }] };
    expect(read({ hand_out: ["github", "github"], encryption_key: key })).toMatchObject(twice);
    expect(read({ hand_out: ["github"] })).toMatchObject({
      ok: false,
      error: [{ path: "/servers/0/encryption_key" }],
    });
  });

  it.each<[string, object]>([
    ["P-256", key],
    ["RSA of 2048 bits", publicJwk(rsa(2048))],
    ["RSA of 4096 bits", publicJwk(rsa(4096))],
  ])("takes a key: %s", (_, encryption_key) => {
    expect(read({ hand_out: ["github"], encryption_key }).ok).toBe(true);
  });

  const long = publicJwk(rsa(2048));
  const short = publicJwk(rsa(1024));
  it.each<[string, object]>([
    ["a private one", { ...ec().privateKey.export({ format: "jwk" }), kid: "enc" }],
    ["a private RSA key", { ...rsa(2048).privateKey.export({ format: "jwk" }), kid: "enc" }],
    ["RSA of 1024 bits", short],
    ["RSA of 1024 bits behind zeros", { ...long, n: String(short["n"]).padStart(342, "A") }],
    ["RSA with the exponent 1", { ...long, e: "AQ" }],
    ["another curve", publicJwk(ec("P-384"))],
    ["a symmetric one", { kty: "oct", k: "c2VjcmV0", kid: "enc" }],
    ["one without a name", { ...key, kid: undefined }],
    ["one for signing", { ...key, use: "sig" }],
    ["one for another algorithm", { ...key, alg: "ECDH-ES" }],
  ])("refuses a key: %s", (_, encryption_key) => {
    const result = read({ hand_out: ["github"], encryption_key });
    expect(result.ok).toBe(false);
    for (const { path } of result.ok ? [] : result.error) expect(path).toMatch(/^\/servers\/0\/encryption_key/);
  });
});

import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { compileTenant } from "./compiled-tenant.ts";
import { readTenantDocument } from "../protocol/tenant-document.ts";

const ISSUER = "https://stint.example";
const SERVER = "https://tickets.example/mcp";
const OAUTH = {
  id: "crm",
  connector: "oauth2",
  base_url: "https://api.crm.example.com",
  catalogue: "stripe",
  token_endpoint: "https://login.crm.example.com/token",
  client_id: "stint",
  client_secret: { secret: "CRM_SECRET" },
  grant_type: "client_credentials",
};
const JWT = { id: "own", connector: "jwt", base_url: "https://api.own.example.com", catalogue: "stripe" };
const KEY = {
  id: "key",
  connector: "api_key",
  base_url: "https://a.example.com",
  catalogue: "stripe",
  api_key: { secret: "K" },
};
const BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

function read(upstream: object, allowPrivateNetwork = false) {
  const document = {
    issuer: ISSUER,
    people: [{ id: "dana", name: "Dana" }],
    servers: [{ id: "tickets", resource: SERVER, owner: "dana", trust: "remote", jwks: { keys: [] }, tools: {} }],
    upstreams: [upstream],
  };
  return readTenantDocument(document as never, { issuer: ISSUER, shipped: shippedCatalogue, allowPrivateNetwork });
}

describe("an upstream in the tenant document", () => {
  it.each([
    ["with a secret", OAUTH],
    [
      "that its metadata finds",
      { ...OAUTH, token_endpoint: undefined, authorization_server: "https://login.crm.example.com" },
    ],
    [
      "with a key",
      {
        ...OAUTH,
        client_secret: undefined,
        token_endpoint_auth_method: "private_key_jwt",
        private_key: { secret: "K" },
      },
    ],
    [
      "by an assertion of Stint's",
      { ...OAUTH, client_secret: undefined, token_endpoint_auth_method: "none", grant_type: BEARER },
    ],
    ["by a refresh token", { ...OAUTH, grant_type: "refresh_token", refresh_token: { secret: "RT" } }],
    ["that trusts Stint", JWT],
    ["with a part of a catalogue", { ...KEY, operations: ["refunds:read"] }],
  ])("is read %s", (_, upstream) => {
    expect(read(upstream)).toMatchObject({ ok: true });
  });

  it.each<[string, object]>([
    ["/client_secret", { ...OAUTH, client_secret: undefined }],
    ["/client_secret", { ...OAUTH, token_endpoint_auth_method: "none", grant_type: BEARER }],
    ["/private_key", { ...OAUTH, private_key: { secret: "K" } }],
    ["/private_key", { ...OAUTH, client_secret: undefined, token_endpoint_auth_method: "private_key_jwt" }],
    ["/token_endpoint", { ...OAUTH, token_endpoint: undefined }],
    ["/token_endpoint_auth_method", { ...OAUTH, client_secret: undefined, token_endpoint_auth_method: "none" }],
    ["/refresh_token", { ...OAUTH, grant_type: "refresh_token" }],
    ["/grant_type", { ...OAUTH, grant_type: "password" }],
    ["/scope", { ...OAUTH, scope: "a  b" }],
    ["/client_secret", { ...OAUTH, client_secret: "written-out" }],
    // A token for the upstream must not open Stint itself, or a server of the tenant's.
    ["/audience", { ...JWT, audience: ISSUER }],
    ["/audience", { ...JWT, audience: `${ISSUER}/proxy/own` }],
    ["/audience", { ...JWT, audience: SERVER }],
    ["/token_endpoint", { ...OAUTH, token_endpoint: SERVER, grant_type: BEARER, private_key: { secret: "K" } }],
    ["/operations/1", { ...KEY, operations: ["refunds:read", "refunds:everything"] }],
    ["/query", { ...KEY, query: "a.b" }],
    ["/header", { ...KEY, header: "Cookie" }],
  ])("W05 is refused for its %s", (path, upstream) => {
    const answer = read(upstream);
    expect(answer.ok ? [] : answer.error.map((problem) => problem.path)).toContain(`/upstreams/0${path}`);
  });

  it.each([
    ["token_endpoint", "http://login.crm.example/token"],
    ["token_endpoint", "https://169.254.169.254/token"],
    ["revocation_endpoint", "https://10.0.0.1/revoke"],
    ["authorization_server", "https://metadata.google.internal"],
  ])("F02 is refused for a %s that Stint would not call: %s", (name, address) => {
    const upstream = { ...OAUTH, [name]: address };
    expect(read(upstream)).toMatchObject({ ok: false, error: [{ path: `/upstreams/0/${name}` }] });
    expect(read(upstream, true).ok).toBe(true);
  });

  it("offers no operation that it left out of the catalogue", () => {
    const document = {
      issuer: ISSUER,
      upstreams: [{ ...KEY, operations: ["refunds:read"] }],
    };
    const setting = { issuer: ISSUER, shipped: shippedCatalogue, allowPrivateNetwork: false };
    const answer = readTenantDocument(document as never, setting);
    const tenant = answer.ok ? compileTenant(answer.value.document, shippedCatalogue).tenant : undefined;
    const { resolve } = tenant!.upstreams.get("key")!;
    expect(resolve("GET", "/v1/refunds", [])).toMatchObject([{ operation: "refunds:read" }]);
    expect(resolve("POST", "/v1/refunds", [])).toEqual([]);
  });
});

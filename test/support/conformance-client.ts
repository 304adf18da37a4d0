import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { importPKCS8 } from "jose";
import {
  assertionAccess,
  codeAccess,
  credentialsAccess,
  enterpriseAssertion,
  type ClientIdentity,
  type Fetch,
} from "../../sdk/agent/index.ts";

/**
 * The client that the conformance suite starts: the SDK under a plain MCP client, with the credentials
 * that the suite gives to a scenario, as its owner would set it up.
 */
const resource = process.argv.at(-1)!;
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const version = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"];
const given = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as Record<string, string>;
const redirectUri = "http://localhost:3000/callback";

const { client_id: clientId = "", client_secret: secret = "" } = given;
const basic = { method: "client_secret_basic", secret } as const;
// Only the DPoP scenarios have a server that can bind a token to a key.
const allowBearer = !scenario.startsWith("auth/dpop");

const byBrowser = (client: ClientIdentity): Fetch =>
  codeAccess({
    resource,
    client,
    redirectUri,
    allowBearer,
    allowSelfIssued: scenario.startsWith("auth/2025-03-26-"),
    // The suite's server decides at once, and answers with where the browser would go.
    authorize: async (url) => {
      const response = await fetch(url, { redirect: "manual" });
      return new URL(response.headers.get("location") ?? `${redirectUri}?error=no_redirect`);
    },
  });

/** The suite tells the issuer only of a client that people registered by hand; a program's owner knows it. */
async function issuerOf(): Promise<string> {
  const metadata = await fetch(`${new URL(resource).origin}/.well-known/oauth-protected-resource/mcp`);
  return ((await metadata.json()) as { authorization_servers: [string] }).authorization_servers[0];
}

async function accessFor(): Promise<Fetch> {
  switch (scenario) {
    case "auth/pre-registration":
      return byBrowser({ registered: [{ issuer: given["issuer"] ?? "", clientId, authentication: basic }] });
    case "auth/client-credentials-basic":
      return credentialsAccess({
        resource,
        allowBearer,
        client: { issuer: await issuerOf(), clientId, authentication: basic },
      });
    case "auth/client-credentials-jwt": {
      const alg = given["signing_algorithm"] ?? "";
      const key = { alg, privateKey: await importPKCS8(given["private_key_pem"] ?? "", alg) };
      const authentication = { method: "private_key_jwt", key } as const;
      return credentialsAccess({
        resource,
        allowBearer,
        client: { issuer: await issuerOf(), clientId, authentication },
      });
    }
    case "auth/wif-jwt-bearer":
      return assertionAccess({
        resource,
        allowBearer,
        client: { issuer: await issuerOf(), clientId, authentication: { method: "none" } },
        assertion: async () => given["valid_jwt"] ?? "",
      });
    case "auth/enterprise-managed-authorization": {
      const { idp_issuer = "", idp_client_id = "", idp_id_token = "" } = given;
      return assertionAccess({
        resource,
        allowBearer,
        client: { issuer: await issuerOf(), clientId, authentication: basic },
        assertion: enterpriseAssertion({
          client: { issuer: idp_issuer, clientId: idp_client_id, authentication: { method: "none" } },
          idToken: async () => idp_id_token,
        }),
      });
    }
    default:
      return byBrowser({
        document: { url: "https://conformance-test.local/client-metadata.json" },
        register: { name: "Stint SDK" },
      });
  }
}

const client = new Client(
  { name: "stint-sdk", version: "0.1.0" },
  version === "2026-07-28" ? { versionNegotiation: { mode: { pin: version } } } : {},
);
await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: await accessFor() }));
await client.listTools();
await client.callTool({ name: "test-tool", arguments: {} });
await client.close();

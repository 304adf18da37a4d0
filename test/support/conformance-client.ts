import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { codeAccess } from "../../sdk/agent/index.ts";

/** The client that the conformance suite starts: the SDK's way by code, under a plain MCP client. */
const serverUrl = process.argv.at(-1)!;
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const version = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"];
const redirectUri = "http://localhost:3000/callback";

const fetchWithAccess = codeAccess({
  resource: serverUrl,
  clientId: "https://conformance-test.local/client-metadata.json",
  redirectUri,
  // Only the DPoP scenarios have a server that can bind a token to a key.
  allowBearer: !scenario.startsWith("auth/dpop"),
  // The suite's server decides at once, and answers with where the browser would go.
  authorize: async (url) => {
    const response = await fetch(url, { redirect: "manual" });
    return new URL(response.headers.get("location") ?? `${redirectUri}?error=no_redirect`);
  },
});

const client = new Client(
  { name: "stint-sdk", version: "0.1.0" },
  version === "2026-07-28" ? { versionNegotiation: { mode: { pin: version } } } : {},
);
await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: fetchWithAccess }));
await client.listTools();
await client.callTool({ name: "test-tool", arguments: {} });
await client.close();

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { StintClient } from "../cli/agent-client.ts";

/** Calls one tool of an MCP server as an agent, with its token and a fresh proof for every request. */
export async function callTool(
  agent: StintClient,
  token: string,
  serverUrl: string,
  name: string,
  args: Record<string, unknown>,
): Promise<string> {
  const transport = new StreamableHTTPClientTransport(new URL(serverUrl), {
    fetch: async (url, init) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `DPoP ${token}`);
      headers.set("dpop", await agent.proof(init?.method ?? "GET", String(url), undefined, token));
      return fetch(url, { ...init, headers });
    },
  });
  const client = new Client({ name: "triage-bot", version: "1.0.0" });
  try {
    await client.connect(transport);
    const result = await client.callTool({ name, arguments: args });
    return (result.content as { text?: string }[]).map(({ text }) => text ?? "").join("\n");
  } finally {
    await client.close();
  }
}

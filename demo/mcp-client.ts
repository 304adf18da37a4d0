import { Client, DpopSession, StreamableHTTPClientTransport, withDpop } from "@modelcontextprotocol/client";
import { importJWK, type CryptoKey } from "jose";
import { thumbprint, type StintClient } from "../cli/agent-client.ts";

/** The MCP SDK's own client at one address: it shows the agent's token and proves the agent's key by itself. */
export async function connectMcp({ proofKey }: StintClient, token: string, url: string): Promise<Client> {
  const publicKey = (await importJWK(proofKey.publicJwk, "ES256")) as CryptoKey;
  const keyPair = { ...proofKey, publicKey, alg: "ES256", thumbprint: await thumbprint(proofKey) } as const;
  const prove = withDpop(await DpopSession.create({ keyPair }), () => token);
  const client = new Client({ name: "triage-bot", version: "1.0.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: prove(fetch) }));
  return client;
}

/** Calls a tool, and answers its words. */
export async function callTool(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text?: string }[]).map(({ text }) => text ?? "").join("\n");
}

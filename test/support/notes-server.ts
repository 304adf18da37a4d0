import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from "jose";
import { z } from "zod";
import type { StintClient } from "../../cli/agent-client.ts";
import { toRequest } from "../../demo/to-request.ts";

export interface NotesServer {
  /** The scheme of every call that was let in. */
  readonly schemes: string[];
  close(): Promise<void>;
}

/**
 * A real MCP server, protected by Stint alone: it publishes who its authorization server is (RFC
 * 9728), challenges whoever comes without a token, and asks Stint whether a token is good.
 */
export async function startNotesServer(port: number, stint: StintClient): Promise<NotesServer> {
  const origin = `http://localhost:${port}`;
  const resource = `${origin}/notes`;
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource/notes`;
  const schemes: string[] = [];
  const metadata = {
    resource,
    authorization_servers: [stint.issuer],
    scopes_supported: ["mcp:notes:list_notes"],
    bearer_methods_supported: ["header"],
    dpop_signing_alg_values_supported: ["ES256"],
  };

  async function serve(incoming: IncomingMessage): Promise<Response> {
    if (incoming.url === new URL(metadataUrl).pathname) return Response.json(metadata);
    if (incoming.url !== "/notes") return new Response(null, { status: 404 });
    const tools = await grantedTools(incoming, resource, stint);
    if (tools === undefined) {
      const challenge = `Bearer resource_metadata="${metadataUrl}", scope="mcp:notes:list_notes"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    }
    schemes.push(incoming.headers.authorization?.split(" ", 1)[0] ?? "");
    const handler = createMcpHandler(() => notesTools(tools));
    return handler.fetch(await toRequest(incoming, resource));
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const response = await serve(incoming);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  }

  const server = createServer((incoming, outgoing) => {
    void answer(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((done) => void server.listen(port, "127.0.0.1", done));
  return {
    schemes,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function notesTools(granted: readonly string[]): McpServer {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  const inputSchema = z.object({});
  for (const name of ["list_notes", "write_note"])
    server.registerTool(name, { description: name, inputSchema }, async () =>
      granted.includes(name)
        ? { content: [{ type: "text", text: `${name}: done` }] }
        : { isError: true, content: [{ type: "text", text: `${name}: not granted` }] },
    );
  return server;
}

/** The tools that the caller's token names, if the token is good, for this server, and shown by its holder. */
async function grantedTools(
  incoming: IncomingMessage,
  resource: string,
  stint: StintClient,
): Promise<string[] | undefined> {
  const [scheme, token] = (incoming.headers.authorization ?? "").split(" ");
  if (token === undefined) return undefined;
  const { body } = await stint.introspect(token);
  if (body["active"] !== true || body["aud"] !== resource || body["token_type"] !== scheme) return undefined;
  const bound = (body["cnf"] as { jkt?: string } | undefined)?.jkt;
  if (bound !== undefined && bound !== (await provenKey(incoming, resource, token))) return undefined;
  return String(body["scope"])
    .split(" ")
    .map((unit) => unit.replace("mcp:notes:", ""));
}

async function provenKey(incoming: IncomingMessage, resource: string, token: string): Promise<string | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(String(incoming.headers["dpop"]), EmbeddedJWK, {
      typ: "dpop+jwt",
      algorithms: ["ES256"],
      maxTokenAge: 60,
    });
    const ath = createHash("sha256").update(token).digest("base64url");
    const holds = payload["htm"] === incoming.method && payload["htu"] === resource && payload["ath"] === ath;
    return holds ? await calculateJwkThumbprint(protectedHeader.jwk ?? {}) : undefined;
  } catch {
    return undefined;
  }
}

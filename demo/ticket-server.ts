import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { createHash } from "node:crypto";
import { EmbeddedJWK, jwtVerify, calculateJwkThumbprint } from "jose";
import { z } from "zod";
import type { StintClient } from "../cli/agent-client.ts";
import { toRequest } from "./to-request.ts";

/** How old a proof may be, in seconds. */
const PROOF_AGE_SECONDS = 60;

export interface TicketServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * An example MCP server with one tool. It takes only tokens that Stint issued for it, bound to the key
 * of whoever calls, and exchanges them for the upstream access that the session allows its tool.
 *
 * @param stint the server's own registration at Stint
 */
export async function startTicketServer(port: number, stint: StintClient): Promise<TicketServer> {
  const resource = `http://localhost:${port}/mcp`;
  const seenProofs = new Set<string>();
  const server = createServer(
    (incoming, outgoing) => void serve(incoming, outgoing).catch(() => outgoing.writeHead(500).end()),
  );

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = await toRequest(incoming, resource);
    const token = await authorize(request, resource, stint, seenProofs);
    if (token === undefined) {
      outgoing.writeHead(401, { "www-authenticate": `DPoP error="invalid_token", algs="ES256"` }).end();
      return;
    }
    const handler = createMcpHandler(() => ticketTools(stint, token));
    const response = await handler.fetch(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  }

  await new Promise<void>((done) => void server.listen(port, "127.0.0.1", done));
  return {
    url: resource,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** The server's tools, for one caller's token. */
function ticketTools(stint: StintClient, token: string): McpServer {
  const tools = new McpServer({ name: "tickets", version: "1.0.0" });
  tools.registerTool(
    "open_issue",
    {
      title: "Open an issue",
      description: "Opens an issue in a repository",
      inputSchema: z.object({ repository: z.string(), title: z.string() }),
    },
    async ({ repository, title }) => {
      const exchanged = await stint.exchange(token, `${stint.issuer}/proxy/github`, {}, true);
      if (exchanged.status !== 200)
        return failure(`Stint refused the exchange: ${String(exchanged.body["error_description"])}`);
      const opened = await stint.call(
        String(exchanged.body["access_token"]),
        "POST",
        `/proxy/github/repos/${repository}/issues`,
        { title },
      );
      if (opened.status !== 201)
        return failure(`Stint refused the call: ${String(opened.body["error_description"] ?? opened.status)}`);
      return { content: [{ type: "text", text: `Opened ${repository}#${String(opened.body["number"])}` }] };
    },
  );
  return tools;
}

function failure(text: string): { isError: true; content: { type: "text"; text: string }[] } {
  return { isError: true, content: [{ type: "text", text }] };
}

/** The caller's token, if Stint says it is good, it is for this server, and its holder proved the key. */
async function authorize(
  request: Request,
  resource: string,
  stint: StintClient,
  seen: Set<string>,
): Promise<string | undefined> {
  const token = /^DPoP (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token === undefined) return undefined;
  try {
    const { payload, protectedHeader } = await jwtVerify(request.headers.get("dpop") ?? "", EmbeddedJWK, {
      typ: "dpop+jwt",
      algorithms: ["ES256"],
      maxTokenAge: PROOF_AGE_SECONDS,
    });
    const { body } = await stint.introspect(token);
    const { jkt } = (body["cnf"] ?? {}) as { jkt?: string };
    const holds =
      body["active"] === true &&
      body["aud"] === resource &&
      jkt === (await calculateJwkThumbprint(protectedHeader.jwk ?? {})) &&
      payload["htm"] === request.method &&
      payload["htu"] === resource &&
      payload["ath"] === createHash("sha256").update(token).digest("base64url") &&
      !seen.has(String(payload.jti));
    seen.add(String(payload.jti));
    return holds ? token : undefined;
  } catch {
    return undefined;
  }
}

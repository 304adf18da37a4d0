import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { calculateJwkThumbprint, createRemoteJWKSet, EmbeddedJWK, jwtVerify, type JWTPayload } from "jose";
import { z } from "zod";
import { toRequest } from "../../examples/listen.ts";

/** A real MCP server that believes tokens of one issuer alone, offline, and wants their key proved. */
export interface GuardedServer {
  readonly resource: string;
  /** What each tool is said to be; a change shows in the next list. */
  readonly descriptions: Record<string, string>;
  readonly carriedOut: string[];
  /** Every token that was let in, with its claims and the headers beside it. */
  readonly seen: {
    readonly token: string;
    readonly claims: JWTPayload;
    readonly headers: IncomingMessage["headers"];
    readonly body: string;
  }[];
  /** The server, as each caller is shown it. */
  readonly build: () => McpServer;
  /** Its protected resource metadata (RFC 9728); none, unless a test puts some here. */
  metadata: object | undefined;
  /** How often those were asked for. */
  metadataAsked: number;
  /** Answers by hand instead, once the token was believed. */
  byHand: ((request: IncomingMessage, body: string, answer: ServerResponse, token: string) => boolean) | undefined;
  close(): Promise<void>;
}

/** Some of what a tool takes is repeated in headers (2026-07-28, `x-mcp-header`). */
const inputSchema = z.object({
  title: z.string().optional(),
  region: z.string().optional().meta({ "x-mcp-header": "Region" }),
  page: z.object({ size: z.int().optional().meta({ "x-mcp-header": "Page-Size" }) }).optional(),
  urgent: z.boolean().optional().meta({ "x-mcp-header": "Urgent" }),
});

export async function startGuardedServer(port: number, issuer: string): Promise<GuardedServer> {
  const resource = `http://localhost:${port}/mcp`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/oauth/jwks`));
  const itself: GuardedServer = {
    resource,
    descriptions: { open_issue: "Opens an issue", close_issue: "Closes an issue" },
    carriedOut: [],
    seen: [],
    build,
    metadata: undefined,
    metadataAsked: 0,
    byHand: undefined,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  function build(): McpServer {
    const mcp = new McpServer({ name: "tickets", version: "1.0.0" });
    for (const [name, description] of Object.entries(itself.descriptions))
      mcp.registerTool(name, { description, inputSchema }, async () => {
        itself.carriedOut.push(name);
        return { content: [{ type: "text", text: `${name}: done` }] };
      });
    return mcp;
  }
  const handler = createMcpHandler(build);

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [scheme, token = ""] = (incoming.headers.authorization ?? "").split(" ");
    const { payload } = await jwtVerify(token, keys, { issuer, audience: resource, typ: "at+jwt" });
    const proved = await jwtVerify(String(incoming.headers["dpop"]), EmbeddedJWK, { typ: "dpop+jwt", maxTokenAge: 60 });
    const jkt = await calculateJwkThumbprint(proved.protectedHeader.jwk ?? {});
    const ath = createHash("sha256").update(token).digest("base64url");
    const { htm, htu, ath: said } = proved.payload;
    const holds = htm === incoming.method && htu === resource && said === ath;
    if (scheme !== "DPoP" || !holds || (payload["cnf"] as { jkt?: string } | undefined)?.jkt !== jkt)
      throw new Error("a proof that does not hold");
    const request = toRequest(incoming, new URL(resource).origin);
    const body = await request.clone().text();
    itself.seen.push({ token, claims: payload, headers: incoming.headers, body });
    if (itself.byHand?.(incoming, body, outgoing, token) === true) return;
    const response = await handler.fetch(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  }

  const server = createServer((incoming, outgoing) => {
    if (incoming.url === "/.well-known/oauth-protected-resource/mcp") {
      itself.metadataAsked += 1;
      outgoing.writeHead(itself.metadata === undefined ? 404 : 200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify(itself.metadata));
      return;
    }
    void answer(incoming, outgoing).catch(() => {
      if (!outgoing.headersSent) outgoing.writeHead(401, { "www-authenticate": "DPoP" });
      outgoing.end();
    });
  });
  await new Promise<void>((done) => void server.listen(port, "127.0.0.1", done));
  return itself;
}

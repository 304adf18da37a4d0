import { createServer } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { toRequest } from "../../demo/to-request.ts";

export interface McpUpstream {
  readonly url: string;
  /** Tools that were carried out, with what they were given. */
  readonly carriedOut: string[];
  /** The bodies that arrived. */
  readonly seen: string[];
  close(): Promise<void>;
}

/** A real MCP server at `/mcp` that trusts whoever brings its key. */
export async function startMcpUpstream(): Promise<McpUpstream> {
  const carriedOut: string[] = [];
  const seen: string[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "notes", version: "1.0.0" });
    for (const name of ["list_notes", "write_note", "delete_note"])
      server.registerTool(
        name,
        { description: name, inputSchema: z.object({ repo: z.string().optional() }) },
        async (args) => {
          carriedOut.push(args.repo === undefined ? name : `${name} ${args.repo}`);
          return { content: [{ type: "text", text: `${name}: done` }] };
        },
      );
    return server;
  });
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const request = await toRequest(incoming, `http://localhost${incoming.url ?? ""}`);
      seen.push(await request.clone().text());
      const response = await handler.fetch(request);
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.end(Buffer.from(await response.arrayBuffer()));
    })().catch(() => outgoing.destroy());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    carriedOut,
    seen,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

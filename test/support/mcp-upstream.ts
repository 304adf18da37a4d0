import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { listen } from "../../examples/listen.ts";

export interface McpUpstream {
  readonly url: string;
  /** Tools that were carried out, with what they were given. */
  readonly carriedOut: string[];
  /** The bodies that arrived. */
  readonly seen: string[];
  /** The handle that came last. */
  shown: string | null;
  /** A handle that every answer gives. */
  handle: string | undefined;
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
  const { port, close } = await listen(0, "http://localhost", async (request) => {
    seen.push(await request.clone().text());
    itself.shown = request.headers.get("mcp-session-id");
    const response = await handler.fetch(request);
    if (itself.handle === undefined) return response;
    const headers = new Headers(response.headers);
    headers.set("mcp-session-id", itself.handle);
    return new Response(response.body, { status: response.status, headers });
  });
  const itself: McpUpstream = {
    url: `http://localhost:${port}`,
    carriedOut,
    seen,
    shown: null,
    handle: undefined,
    close,
  };
  return itself;
}

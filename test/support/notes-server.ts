import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { listen } from "../../examples/listen.ts";
import { Guard, type RegisteredKey } from "../../sdk/server/index.ts";

export interface NotesServer {
  /** The scheme of every call that was let in. */
  readonly schemes: string[];
  close(): Promise<void>;
}

/**
 * A real MCP server, protected by Stint alone, that takes tokens without a key too, and answers a call
 * of a tool that was not granted in the tool's own words.
 */
export async function startNotesServer(port: number, issuer: string, key: RegisteredKey): Promise<NotesServer> {
  const origin = `http://localhost:${port}`;
  const resource = `${origin}/notes`;
  const tools = { list_notes: "read", write_note: "write" } as const;
  const guard = new Guard({ issuer, server: "notes", resource, key, tools, allowBearer: true });
  const schemes: string[] = [];
  const { close } = await listen(port, origin, async (request) => {
    const metadata = guard.metadata(request);
    if (metadata !== undefined) return metadata;
    const access = await guard.identify(request);
    if (access instanceof Response) return access;
    schemes.push(request.headers.get("authorization")?.split(" ", 1)[0] ?? "");
    return createMcpHandler(() => notesTools((tool) => access.allows(tool))).fetch(request);
  });
  return { schemes, close };
}

function notesTools(allows: (tool: string) => boolean): McpServer {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  const inputSchema = z.object({});
  for (const name of ["list_notes", "write_note"])
    server.registerTool(name, { description: name, inputSchema }, async () =>
      allows(name)
        ? { content: [{ type: "text", text: `${name}: done` }] }
        : { isError: true, content: [{ type: "text", text: `${name}: not granted` }] },
    );
  return server;
}

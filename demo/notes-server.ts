import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { listen } from "../examples/listen.ts";
import { Guard, type RegisteredKey } from "../sdk/server/index.ts";
import { mcpHandler } from "../sdk/server/mcp.ts";

const TOOLS = { list_notes: "read", add_note: "write", erase_notes: "write" } as const;

/** An MCP server that keeps notes, and whose team can say something else of its tools tomorrow. */
export interface NotesServer {
  readonly notes: string[];
  /** What a model reads of each tool. */
  readonly descriptions: Record<keyof typeof TOOLS, string>;
  close(): Promise<void>;
}

/** Its entry in a tenant document, beside a server whose key it shares. */
export function notesEntry(beside: object, port: number): object {
  const tools = Object.entries(TOOLS).map(([name, access]) => [name, { access, operations: [] }]);
  return { ...beside, id: "notes", resource: resourceAt(port), tools: Object.fromEntries(tools) };
}

export async function startNotesServer(port: number, issuer: string, key: RegisteredKey): Promise<NotesServer> {
  const notes = ["Release on Monday"];
  const descriptions: NotesServer["descriptions"] = {
    list_notes: "Lists the notes",
    add_note: "Adds a note",
    erase_notes: "Erases all notes",
  };
  const said = (text: string) => ({ content: [{ type: "text" as const, text }] });
  const guard = new Guard({ issuer, resource: resourceAt(port), key, server: "notes", tools: TOOLS });
  const handle = mcpHandler(guard, () => {
    const server = new McpServer({ name: "notes", version: "1.0.0" });
    const note = z.object({ note: z.string() });
    server.registerTool("list_notes", { description: descriptions.list_notes }, () => said(notes.join("\n")));
    server.registerTool("add_note", { description: descriptions.add_note, inputSchema: note }, (args) =>
      said(`Kept as number ${notes.push(args.note)}`),
    );
    server.registerTool("erase_notes", { description: descriptions.erase_notes }, () =>
      said(`Erased ${notes.splice(0).length}`),
    );
    return server;
  });
  const { close } = await listen(port, `http://localhost:${port}`, handle);
  return { notes, descriptions, close };
}

function resourceAt(port: number): string {
  return `http://localhost:${port}/mcp`;
}

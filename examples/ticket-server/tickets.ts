import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { Guard, type Access, type RegisteredKey, type ShownDefinitions } from "../../sdk/server/index.ts";
import { definitionsOf, mcpHandler } from "../../sdk/server/mcp.ts";

/** Where the server stands, and who it is at Stint. */
export interface TicketOptions {
  readonly issuer: string;
  readonly resource: string;
  readonly key: RegisteredKey;
  /** The repositories that a client is told to ask for, when it knows of none itself. */
  readonly repositories?: readonly string[];
  /** `offline` believes a token for five minutes without asking. */
  readonly check?: "introspect" | "offline";
  /** What the server signed of its own tools. */
  readonly signedMetadata?: string;
}

/** An MCP server with a tool that reads and one that writes, as a `fetch` handler. */
export function ticketServer(options: TicketOptions): (request: Request) => Promise<Response> {
  const { repositories = [] } = options;
  const units = (operation: string): string[] => repositories.map((name) => `github:${operation}@${name}`);
  const guard = new Guard({
    ...options,
    server: "tickets",
    tools: {
      list_issues: { access: "read", upstream: units("issues:read") },
      open_issue: { access: "write", upstream: units("issues:write") },
    },
  });
  return mcpHandler(guard, ticketTools);
}

/** What the server shows of its tools, to be signed; nobody's access is needed for that. */
export function ticketDefinitions(): Promise<ShownDefinitions> {
  return definitionsOf(() => ticketTools({ upstream: () => fetch }));
}

/** What becomes part of a path is one name and another: with `..`, `?` or `#` in it, a tool could be bent into other calls. */
const REPOSITORY = z.string().regex(/^[\w-]+\/(?!\.{1,2}$)[\w.-]+$/, "must be a repository such as acme/api");

/** The tools, for one caller. What they reach at GitHub is what that caller's session was granted. */
function ticketTools(access: Pick<Access, "upstream">): McpServer {
  const server = new McpServer({ name: "tickets", version: "1.0.0" });
  const github = access.upstream("github");

  server.registerTool(
    "list_issues",
    {
      title: "List the open issues",
      description: "Lists the open issues of a repository, such as acme/api",
      inputSchema: z.object({ repository: REPOSITORY }),
      annotations: { readOnlyHint: true },
    },
    ({ repository }) =>
      answer(async () => {
        const response = await github(`/repos/${repository}/issues`);
        if (response.status !== 200) return refused(response);
        const issues = (await response.json()) as { number: number; title: string }[];
        return said(issues.map(({ number, title }) => `#${number} ${title}`).join("\n"));
      }),
  );

  server.registerTool(
    "open_issue",
    {
      title: "Open an issue",
      description: "Opens an issue in a repository, such as acme/api",
      inputSchema: z.object({ repository: REPOSITORY, title: z.string() }),
      annotations: { readOnlyHint: false, destructiveHint: false },
    },
    ({ repository, title }) =>
      answer(async () => {
        const response = await github(`/repos/${repository}/issues`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ title }),
        });
        if (response.status !== 201) return refused(response);
        const { number } = (await response.json()) as { number: number };
        return said(`Opened ${repository}#${number}`);
      }),
  );
  return server;
}

interface Said {
  [name: string]: unknown;
  isError?: true;
  content: { type: "text"; text: string }[];
}

function said(text: string): Said {
  return { content: [{ type: "text", text }] };
}

/** A refusal is told to the agent as the tool's own answer, so that it knows what to do instead. */
async function refused(response: Response): Promise<Said> {
  const body = (await response.json().catch(() => ({}))) as { error_description?: string };
  return { isError: true, ...said(`Stint refused the call: ${body.error_description ?? response.status}`) };
}

async function answer(work: () => Promise<Said>): Promise<Said> {
  try {
    return await work();
  } catch (fault) {
    return { isError: true, ...said(`Stint refused the exchange: ${(fault as Error).message}`) };
  }
}

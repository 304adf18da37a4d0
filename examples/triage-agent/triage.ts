import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Agent, Session } from "../../sdk/agent/index.ts";

export interface TriageOptions {
  /** The ticket server's resource URI. */
  readonly tickets: string;
  readonly repository: string;
  /** Tells the user what happens. */
  readonly say: (line: string) => void;
}

/**
 * Asks for access, waits for the human, reads the open issues, opens a summary of them, and gives
 * everything back, also when something fails on the way.
 */
export async function triage(agent: Agent, { tickets, repository, say }: TriageOptions): Promise<void> {
  const pending = await agent.ask({
    task: { title: "Triage the open issues" },
    authorization_details: [
      { type: "mcp_tools", server: "tickets", actions: ["list_issues", "open_issue"] },
      {
        type: "upstream_access",
        upstream: "github",
        actions: ["issues:read", "issues:write"],
        locations: [repository],
      },
    ],
    expires_in: 600,
  });
  say(`Waiting for a human to approve ${pending.id}. Match code: ${pending.matchCode}`);
  const session = await pending.wait();
  say(`Approved until ${new Date(session.expiresAt * 1000).toISOString()}`);
  try {
    await summarise(session, { tickets, repository, say });
  } finally {
    const { outcome, receipt } = await session.end();
    say(`Ended: ${outcome}. The receipt: ${receipt}`);
  }
}

async function summarise(session: Session, { tickets, repository, say }: TriageOptions): Promise<void> {
  const client = new Client({ name: "triage-agent", version: "1.0.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(tickets), { fetch: session.fetch(tickets) }));
  const open = await call(client, "list_issues", { repository });
  say(open);
  say(await call(client, "open_issue", { repository, title: `Summary of ${open.split("\n").length} open issues` }));
  await client.close();
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text?: string }[]).map(({ text }) => text ?? "").join("\n");
}

import type { RegisteredKey } from "../sdk/server/index.ts";
import { listen } from "../examples/listen.ts";
import { ticketServer } from "../examples/ticket-server/tickets.ts";

export interface TicketServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * The example MCP server, which guards itself, on a loopback port.
 *
 * @param repositories what it tells a client to ask for that knows of none itself
 */
export async function startTicketServer(
  port: number,
  issuer: string,
  key: RegisteredKey,
  repositories: readonly string[] = [],
): Promise<TicketServer> {
  const origin = `http://localhost:${port}`;
  const resource = `${origin}/mcp`;
  const { close } = await listen(port, origin, ticketServer({ issuer, resource, key, repositories }));
  return { url: resource, close };
}

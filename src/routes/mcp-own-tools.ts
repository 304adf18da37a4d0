import { McpServer, type CallToolResult, type McpRequestContext } from "@modelcontextprotocol/server";
import { MCP_TOOL_INPUTS, type CallUpstreamInput } from "../protocol/mcp-tools.ts";
import { offerTasks } from "../protocol/mcp-tasks.ts";
import type { Handling } from "./http.ts";
import { callTool } from "./mcp-call.ts";
import { orFault } from "./mcp-fault.ts";
import type { OlderClient } from "./mcp-older-client.ts";
import { toolError } from "./mcp-result.ts";
import { endOwn, ownSession, stateOf } from "./mcp-sessions.ts";
import { sessionTasks } from "./mcp-tasks.ts";
import { SessionAsker } from "./mcp-waiting.ts";
import type { Bearing } from "./proof.ts";

/** Stint's own tools, for one request of a client whose token and key were checked. */
export function ownTools(c: Handling, bearing: Bearing, era: McpRequestContext["era"], older: OlderClient): McpServer {
  const asker = new SessionAsker(c, bearing, era, older);
  const server = new McpServer(
    { name: "stint", version: "1" },
    {
      requestState: { verify: (state, ctx) => asker.codec.verify(state, ctx) },
      capabilities: { tools: { listChanged: false } },
    },
  );
  if (era === "modern") offerTasks(server, sessionTasks(c, bearing));

  server.registerTool(
    "request_session",
    {
      title: "Ask for a session",
      description:
        "Asks for access that one task needs. A human decides; you cannot approve it, and no link to do so exists for you. While nobody has decided, the answer is a session_id to ask for with session_state, and a code that the human compares.",
      inputSchema: MCP_TOOL_INPUTS.request_session,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    },
    (input, ctx) => orFault(asker.ask(input, ctx), FAILED),
  );
  server.registerTool(
    "session_state",
    {
      title: "See a session",
      description: "How a session stands: what was granted, what is left of its limits, when it ends, or how it ended.",
      inputSchema: MCP_TOOL_INPUTS.session_state,
      annotations: { readOnlyHint: true },
    },
    ({ session }) => orFault(stateOf(c, bearing, session), FAILED),
  );
  server.registerTool(
    "call_upstream",
    {
      title: "Call an upstream",
      description:
        "Makes one call of an upstream's own API. Stint adds the credential; what was not granted is refused.",
      inputSchema: MCP_TOOL_INPUTS.call_upstream,
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    },
    (input) => orFault(callOwn(c, bearing, input), FAILED),
  );
  server.registerTool(
    "end_session",
    {
      title: "End a session",
      description: "Says that the task is done: everything that was lent is taken back. It cannot be undone.",
      inputSchema: MCP_TOOL_INPUTS.end_session,
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
    },
    ({ session }) => orFault(endOwn(c, bearing, session), FAILED),
  );
  return server;
}

async function callOwn(c: Handling, bearing: Bearing, input: CallUpstreamInput): Promise<CallToolResult> {
  const own = await ownSession(c, bearing, input.session);
  if (!own.ok) return own.error;
  const held = own.value.bearing;
  return held === undefined ? toolError("the session is not active; see session_state") : callTool(c, held, input);
}

const FAILED = toolError("Stint cannot answer now; what was asked for may have been done");

import { McpServer, type CallToolResult, type McpRequestContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { parseDuration } from "../src/domain/duration.ts";
import { offerTasks } from "../src/protocol/mcp-tasks.ts";
import { parseAccess } from "./access-short-form.ts";
import { callUpstream, type CallFault } from "./call-upstream.ts";
import type { HeldSessions } from "./held-sessions.ts";
import { failure, notActive, refusing, stateAnswer, success } from "./mcp-answers.ts";
import type { HostWaiting } from "./mcp-waiting.ts";
import { summariseReceipt } from "./receipt-summary.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
const SESSION = z.string().describe("The session_id that request_session answered");

/** Stint's tools for a host on this machine. No answer holds a token, a key or an approval link. */
export function mcpTools(sessions: HeldSessions, waiting: HostWaiting, era: McpRequestContext["era"]): McpServer {
  const server = new McpServer(
    { name: "stint", version: "0.1.0" },
    {
      instructions:
        "Stint lends access to services for one task, after a human has approved it. Ask with request_session for no more than the task needs, show the user the match code, ask session_state until a human has decided, then use call_upstream, and end_session when done. A refusal is final: do not ask for the same again.",
    },
  );
  if (era === "modern") offerTasks(server, waiting);

  server.registerTool(
    "request_session",
    {
      title: "Ask for access",
      description:
        "Asks a human for access to services for one task; the human is reached by Stint itself. While nobody has decided, the answer is a session_id and a match code to show the user.",
      inputSchema: z.object({
        task: z.string().describe("What the access is for, in one line"),
        description: z.string().optional().describe("More of it"),
        access: z
          .array(z.string())
          .min(1)
          .describe('Each "upstream:operation@location", such as "github:issues:read@acme/api"'),
        for: z.string().optional().describe("How long, such as 30m; 15m if left out"),
        user: z.string().optional().describe("The person it is for, as Stint names them"),
      }),
      annotations: { readOnlyHint: false, openWorldHint: true },
    },
    async ({ task, description, access, for: time = "15m", user }, context) =>
      refusing(async () => {
        const asked = context.mcpReq.requestState<string>();
        if (asked !== undefined) return waiting.goOn(asked, context);
        const seconds = parseDuration(time);
        if (seconds === undefined) return failure("for must be a time such as 90s, 30m or 2h");
        const { sessionId, matchCode } = await sessions.ask({
          task: { title: task, ...(description === undefined ? {} : { description }) },
          authorization_details: parseAccess(access),
          expires_in: seconds,
          ...(user === undefined ? {} : { user }),
        });
        return waiting.begin(sessionId, matchCode, server, era, context);
      }),
  );

  server.registerTool(
    "session_state",
    {
      title: "See how a session stands",
      description:
        "Says whether a human has decided, and what is left of a session. While it is pending this waits up to 20 seconds for a decision; then ask again.",
      inputSchema: z.object({ session_id: SESSION }),
      annotations: { readOnlyHint: true },
    },
    async ({ session_id }, context) =>
      refusing(async () => stateAnswer(await sessions.state(session_id, context.mcpReq.signal))),
  );

  server.registerTool(
    "call_upstream",
    {
      title: "Call a service",
      description:
        "Calls a service's own HTTP API under an active session. Stint adds the credential. What was not granted is refused.",
      inputSchema: z.object({
        session_id: SESSION,
        upstream: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
        method: z.enum(METHODS),
        path: z
          .string()
          .startsWith("/")
          .describe("Path and query in the service's API, such as /repos/acme/api/issues"),
        body: z.unknown().optional().describe("Sent as JSON"),
      }),
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
    },
    async ({ session_id, ...call }, context) =>
      refusing(async (): Promise<CallToolResult> => {
        const held = sessions.find(session_id);
        if (held?.status !== "active") return notActive(held, false);
        const answer = await callUpstream(held.session, call, context.mcpReq.signal);
        if (!answer.ok) return failure(wordsOf(answer.error));
        const { status, contentType, text, isCut } = answer.value;
        const isError = status >= 400;
        const head = `HTTP ${status}${contentType === "" ? "" : `, ${contentType}`}${isCut ? ", the answer is longer and was cut here" : ""}`;
        return { isError, content: [{ type: "text", text: `${head}\n${text}` }] };
      }),
  );

  server.registerTool(
    "end_session",
    {
      title: "Give the access back",
      description: "Ends a session, or takes back a request that nobody decided. Answers what the receipt says.",
      inputSchema: z.object({ session_id: SESSION }),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
    },
    async ({ session_id }) =>
      refusing(async () => {
        const held = sessions.find(session_id);
        if (held === undefined) return notActive(held, false);
        const receipt = await sessions.end(session_id);
        return success(receipt === undefined ? "It has ended." : summariseReceipt(receipt));
      }),
  );

  return server;
}

function wordsOf(fault: CallFault): string {
  switch (fault.kind) {
    case "ended":
      return `The session has ended (${fault.outcome}); to go on, ask for a new one, which a human must approve.`;
    case "refused":
      return `Stint gives no token for this: ${fault.why}`;
    case "unreachable":
      return "Stint cannot be reached; nothing was sent.";
    case "bad_path":
      return "The path or query is not in canonical form: no dot or empty segments, no needless percent-encoding, no repeated parameter.";
    case "bad_body":
      return "GET and HEAD take no body; nothing was sent.";
    case "no_answer":
      return "There was no whole answer in time; whether the call had its effect is not known.";
  }
}

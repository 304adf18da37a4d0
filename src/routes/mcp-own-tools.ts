import type {
  CallToolResult,
  InputRequiredResult,
  McpHttpHandler,
  McpServer,
  ServerContext,
} from "@modelcontextprotocol/server";
import { deriveKey, digestOf } from "../crypto/hash.ts";
import { MCP_TOOL_INPUTS, type RequestSessionInput } from "../protocol/mcp-tools.ts";
import type { Handling } from "./http.ts";
import { callTool } from "./mcp-call.ts";
import { decided, endOwn, ownSession, requestOwn, stateOf } from "./mcp-sessions.ts";
import { toolError } from "./mcp-result.ts";
import type { Bearing } from "./proof.ts";

/** As long as a request waits for its human, in seconds: after that there is nothing to wait for. */
const REQUEST_STATE_SECONDS = 900;
/** What is asked of the human at the client: to look at a page on which nothing can be done without signing in. */
const APPROVAL = "approval";

/** What a client brings back when it calls again. */
interface Waiting {
  readonly session_id: string;
  /** Of the arguments that the session was asked for with. */
  readonly asked: string;
}

/** The schemas of its protocol would be a quarter of a start, and few isolates ever speak it. */
const loadSdk = () => import("@modelcontextprotocol/server");
type Sdk = Awaited<ReturnType<typeof loadSdk>>;

/** What answers one request of a client whose token and key were checked. */
export async function ownServer(c: Handling, bearing: Bearing): Promise<McpHttpHandler> {
  const sdk = await loadSdk();
  return sdk.createMcpHandler(() => ownTools(sdk, c, bearing), {
    responseMode: "json",
    maxSubscriptions: 1,
    keepAliveMs: 0,
  });
}

function ownTools(sdk: Sdk, c: Handling, bearing: Bearing): McpServer {
  const { CLIENT_CAPABILITIES_META_KEY, createRequestStateCodec, inputRequired, inputResponse, McpServer } = sdk;
  const { root, issuer } = c.var.tenant;
  const codec = createRequestStateCodec<Waiting>({
    key: deriveKey(root, "mcp request state", issuer),
    ttlSeconds: REQUEST_STATE_SECONDS,
    // A state that somebody else brings, or for something else, is no state.
    bind: ({ mcpReq }) => [mcpReq.method, bearing.token.client_id, bearing.proof.jkt].join(" "),
  });
  const server = new McpServer(
    { name: "stint", version: "1" },
    {
      requestState: { verify: (state, ctx) => codec.verify(state, ctx) },
      capabilities: { tools: { listChanged: false } },
    },
  );

  async function request(
    input: RequestSessionInput,
    ctx: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const asked = digestOf(input);
    const waiting = ctx.mcpReq.requestState<Waiting>();
    if (waiting !== undefined) {
      if (waiting.asked !== asked) return toolError("requestState belongs to other arguments; nothing was asked for");
      const answer = inputResponse(ctx.mcpReq.inputResponses, APPROVAL);
      // Who declined to look has not denied anything: the request waits on, but this call does not.
      if (answer.kind !== "elicit" || answer.action !== "accept") return stateOf(c, bearing, waiting.session_id);
      return decided(c, bearing, waiting.session_id, ctx.mcpReq.signal);
    }
    const requested = await requestOwn(c, bearing, input);
    if (!requested.ok) return requested.error;
    const { session_id, match_code } = requested.value;
    if (!opensUrls(ctx, CLIENT_CAPABILITIES_META_KEY)) return stateOf(c, bearing, session_id);
    return inputRequired({
      inputRequests: {
        [APPROVAL]: inputRequired.elicitUrl({
          message: `A human has to approve this session. Its code is ${match_code}; whoever may decide signs in to see it.`,
          url: `${issuer}/inbox`,
        }),
      },
      requestState: await codec.mint({ session_id, asked }, ctx),
    });
  }

  server.registerTool(
    "request_session",
    {
      title: "Ask for a session",
      description:
        "Asks for access that one task needs. A human decides; you cannot approve it, and no link to do so exists for you. Answers with a session_id to ask for with session_state, and a code that the human compares.",
      inputSchema: MCP_TOOL_INPUTS.request_session,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    },
    request,
  );
  server.registerTool(
    "session_state",
    {
      title: "See a session",
      description: "How a session stands: what was granted, what is left of its limits, when it ends, or how it ended.",
      inputSchema: MCP_TOOL_INPUTS.session_state,
      annotations: { readOnlyHint: true },
    },
    ({ session }) => stateOf(c, bearing, session),
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
    async (input) => {
      const own = await ownSession(c, bearing, input.session);
      if (!own.ok) return own.error;
      const held = own.value.bearing;
      return held === undefined ? toolError("the session is not active; see session_state") : callTool(c, held, input);
    },
  );
  server.registerTool(
    "end_session",
    {
      title: "End a session",
      description: "Says that the task is done: everything that was lent is taken back. It cannot be undone.",
      inputSchema: MCP_TOOL_INPUTS.end_session,
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
    },
    ({ session }) => endOwn(c, bearing, session),
  );
  return server;
}

/** Whether the client said, in this very request, that it can show its human an address. */
function opensUrls({ mcpReq }: ServerContext, capabilitiesKey: string): boolean {
  const envelope = (mcpReq.envelope ?? {}) as { readonly [key: string]: unknown };
  const capabilities = envelope[capabilitiesKey] as { elicitation?: { url?: unknown } } | undefined;
  return capabilities?.elicitation?.url !== undefined;
}

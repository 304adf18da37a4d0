import { createMcpHandler, type McpServer } from "@modelcontextprotocol/server";
import { Access } from "./access.ts";
import type { Guard } from "./guard.ts";
import { jsonDepth } from "./json-depth.ts";
import { judgeMessage } from "./tool-calls.ts";

/** More than a tool's arguments have reason to be. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Deep enough for any arguments, far from where what reads them recursively would overflow. */
const MAX_DEPTH = 64;

export interface McpOptions {
  /** Methods beyond discovery and `tools/call` that a caller with any tool may use, `resources/read` say. */
  readonly methods?: readonly string[];
}

/**
 * An MCP server behind a guard, as a `fetch` handler: every request is verified, and every tool that
 * it calls must have been granted. What was judged is what is carried out: the body is parsed once.
 *
 * @param build makes the server for one caller
 */
export function mcpHandler(
  guard: Guard,
  build: (access: Access) => McpServer,
  { methods = [] }: McpOptions = {},
): (request: Request) => Promise<Response> {
  const handler = createMcpHandler(({ authInfo }) => {
    const access = authInfo?.extra?.["access"];
    if (!(access instanceof Access)) throw new Error("a request that no guard let in");
    return build(access);
  });
  return async (request) => {
    const metadata = guard.metadata(request);
    if (metadata !== undefined) return metadata;
    const access = await guard.identify(request);
    if (access instanceof Response) return access;
    const authInfo = {
      token: access.token,
      clientId: access.agent,
      scopes: [...access.tools],
      expiresAt: access.expiresAt,
      extra: { access },
    };
    if (request.method !== "POST") return handler.fetch(request, { authInfo });
    const body = await readBody(request);
    if (body === undefined) return guard.refuse({ reason: "too_large", description: "the body is above 4 MiB" });
    const parsedBody = parse(body);
    const judged = judgeMessage(parsedBody, methods);
    if (judged.kind === "malformed")
      return guard.refuse({ reason: "malformed", description: "the body is no JSON-RPC message" });
    if (judged.kind === "forbidden")
      return guard.refuse({ reason: "method_not_allowed", description: "no grant covers this method" });
    const missing = guard.missing(access, judged.tools);
    if (missing !== undefined) return missing;
    const { url, method, headers, signal } = request;
    return handler.fetch(new Request(url, { method, headers, signal, body }), { authInfo, parsedBody });
  };
}

function parse(body: string): unknown {
  if (jsonDepth(body) > MAX_DEPTH) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The body as text; undefined when it is too large. */
async function readBody(request: Request): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

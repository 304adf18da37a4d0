import { createMcpHandler, type McpServer } from "@modelcontextprotocol/server";
import { Access } from "./access.ts";
import type { Guard } from "./guard.ts";
import { jsonDepth } from "./json-depth.ts";
import type { ShownDefinitions } from "./signed-metadata.ts";
import { judgeMessage } from "./tool-calls.ts";

/** A revision in which a server is asked without more than the question. */
const LEGACY = "2025-06-18";
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
    // What broke off is no message.
    const body = await readBody(request).catch(() => "");
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

/**
 * What a server shows of its tools, to be signed with {@link signMetadata}: it is asked as a client would.
 *
 * @param build makes the server, as for a caller who may use all of it
 */
export async function definitionsOf(build: () => McpServer): Promise<ShownDefinitions> {
  const handler = createMcpHandler(build);
  const ask = async (method: string, headers: Record<string, string>, params: object): Promise<Shown> => {
    const response = await handler.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      }),
    );
    const text = await response.text();
    const data = text.startsWith("{") ? text : (/^data: ?(.+)$/m.exec(text)?.[1] ?? "");
    const { result } = JSON.parse(data) as { result?: Shown };
    if (result === undefined) throw new Error(`the server answers ${method} with ${response.status} and no result`);
    return result;
  };
  const clientInfo = { name: "stint-sdk", version: "1" };
  const greeted = await ask("initialize", {}, { protocolVersion: LEGACY, capabilities: {}, clientInfo });
  const tools: { readonly name: string }[] = [];
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const page = await ask("tools/list", { "mcp-protocol-version": LEGACY }, from);
    tools.push(...(page.tools ?? []));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return { tools, ...(greeted.instructions === undefined ? {} : { instructions: greeted.instructions }) };
}

/** As far as {@link definitionsOf} looks at an answer. */
interface Shown extends Partial<ShownDefinitions> {
  readonly nextCursor?: string;
}

function parse(body: string): unknown {
  if (jsonDepth(body) > MAX_DEPTH) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The body as text; undefined when it is too large. Throws where it breaks off. */
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

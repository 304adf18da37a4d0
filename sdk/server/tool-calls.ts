/** Methods that only find out what there is, and what a client says about itself: discovery is not execution. */
const DISCOVERY = new Set([
  "initialize",
  "ping",
  "logging/setLevel",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "server/discover",
  "tools/list",
]);

/** Messages in one batch: one proof lets all of them in. */
const MAX_BATCH = 50;

/** What a JSON-RPC body is about to do. */
export type Judged =
  | { readonly kind: "calls"; readonly tools: readonly string[] }
  | { readonly kind: "malformed" }
  | { readonly kind: "forbidden" };

/**
 * Names every tool that an MCP message calls, in a batch too: one that is forbidden forbids them all.
 * A method that is neither `tools/call` nor discovery is forbidden, because no grant covers it.
 *
 * @param allowed further methods that need no tool
 */
export function judgeMessage(body: unknown, allowed: readonly string[]): Judged {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  if (messages.length === 0 || messages.length > MAX_BATCH) return { kind: "malformed" };
  const tools: string[] = [];
  for (const message of messages) {
    if (typeof message !== "object" || message === null || Array.isArray(message)) return { kind: "malformed" };
    const { method, params } = message as { method?: unknown; params?: { name?: unknown } | null };
    // An answer to a question of the server's.
    if (method === undefined && ("result" in message || "error" in message)) continue;
    if (typeof method !== "string") return { kind: "malformed" };
    if (method === "tools/call") {
      if (typeof params?.name !== "string") return { kind: "malformed" };
      tools.push(params.name);
    } else if (!DISCOVERY.has(method) && !method.startsWith("notifications/") && !allowed.includes(method))
      return { kind: "forbidden" };
  }
  return { kind: "calls", tools };
}

import { isJsonObject, type JsonObject } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { ShownTool } from "../domain/tool-definitions.ts";
import type { Minting } from "../durable/session-commands.ts";
import { readMessages, readToolsPage } from "../protocol/tools-list.ts";
import { headersToUpstream } from "../protocol/proxy-headers.ts";
import { injectCredential } from "../protocol/upstream-credential.ts";
import { outboundOf } from "../tenancy.ts";
import { nowSeconds } from "./http.ts";
import { serverCredential, type ServerCaller } from "./mcp-server-credential.ts";

/** The largest list of tools that is read, in bytes. */
export const MAX_LIST_BYTES = 512 * 1024;
/** How long a server may take for one answer, in milliseconds. */
const DEADLINE_MS = 10_000;
/** And for all of them: a call waits for it. In milliseconds. */
const LIST_DEADLINE_MS = 20_000;
/** Pages of one list. */
const MAX_PAGES = 10;
const MODERN = "2026-07-28";
const LEGACY = "2025-06-18";
const CLIENT = { name: "stint", version: "1" };

type Posted = { readonly status: number; readonly headers: Headers; readonly messages: readonly JsonObject[] };
type Send = (
  method: "POST" | "DELETE",
  message: object | undefined,
  headers: Readonly<Record<string, string>>,
) => Promise<Posted | undefined>;
type Post = (message: object, headers: Readonly<Record<string, string>>) => Promise<Posted | undefined>;

/**
 * All tools that a server shows, asked as a client of 2026-07-28 would, and where that gets no list,
 * as one of 2025-06-18, which greets first.
 */
export async function listTools(
  caller: ServerCaller,
  looking: Minting,
): Promise<Result<readonly ShownTool[], "unreadable">> {
  const send = await sender(caller, looking);
  const post: Post = (message, headers) => send("POST", message, headers);
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const modern = await pages(post, { _meta: meta }, { "mcp-protocol-version": MODERN, "mcp-method": "tools/list" });
  if (modern !== undefined) return ok(modern);
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
  const greeted = await post({ jsonrpc: "2.0", id: 0, method: "initialize", params }, {});
  if (greeted === undefined || greeted.status !== 200) return err("unreadable");
  const handle = greeted.headers.get("mcp-session-id");
  const headers = {
    "mcp-protocol-version": LEGACY,
    ...(handle === null ? {} : { "mcp-session-id": handle }),
  };
  await post({ jsonrpc: "2.0", method: "notifications/initialized" }, headers);
  const legacy = await pages(post, {}, headers);
  // A server keeps something for each handle that it gives; this one is needed no more.
  if (handle !== null) caller.c.executionCtx.waitUntil(send("DELETE", undefined, headers));
  return legacy === undefined ? err("unreadable") : ok(legacy);
}

/** Undefined where the server answers with no list, or not with all of it. */
async function pages(
  post: Post,
  params: object,
  headers: Readonly<Record<string, string>>,
): Promise<readonly ShownTool[] | undefined> {
  const shown = new Map<string, ShownTool>();
  let cursor: string | undefined;
  /** Of all pages: what differs is kept in one row. */
  let length = 0;
  for (let id = 1; id <= MAX_PAGES; id += 1) {
    const from = cursor === undefined ? {} : { cursor };
    const answer = await post({ jsonrpc: "2.0", id, method: "tools/list", params: { ...params, ...from } }, headers);
    if (answer?.status !== 200) return undefined;
    const hasList = answer.messages.some(({ result }) => isJsonObject(result) && "tools" in result);
    const page = hasList ? readToolsPage(answer.messages) : err("unreadable" as const);
    if (!page.ok || page.value.tools.some(({ name }) => shown.has(name))) return undefined;
    for (const tool of page.value.tools) shown.set(tool.name, tool);
    length += page.value.tools.reduce((sum, { definition }) => sum + definition.length, 0);
    if (length > MAX_LIST_BYTES) return undefined;
    cursor = page.value.nextCursor;
    if (cursor === undefined) return [...shown.values()];
  }
  return undefined;
}

/** Sends requests to the server, each with a proof of its own. */
async function sender(caller: ServerCaller, looking: Minting): Promise<Send> {
  const { c, server } = caller;
  const credential = await serverCredential(caller, looking);
  const until = Date.now() + LIST_DEADLINE_MS;
  return async (method, message, more) => {
    const leftMs = until - Date.now();
    if (leftMs <= 0) return undefined;
    const headers = new Headers({
      accept: "application/json, text/event-stream",
      ...(message === undefined ? {} : { "content-type": "application/json" }),
      ...more,
    });
    const request = { method, headers, body: null };
    const injected = await injectCredential(server.resource, request, credential, nowSeconds());
    if (!injected.ok) return undefined;
    const answered = await outboundOf(c.var.tenant).text({
      url: server.resource,
      method,
      headers: headersToUpstream(headers, injected.value.headers),
      ...(message === undefined ? {} : { body: JSON.stringify(message) }),
      deadlineMs: Math.min(DEADLINE_MS, leftMs),
      maxBytes: MAX_LIST_BYTES,
    });
    if (!answered.ok) return undefined;
    const { status, headers: said, text } = answered.value;
    if (text === "") return { status, headers: said, messages: [] };
    const messages = readMessages(said.get("content-type"), text);
    return messages.ok ? { status, headers: said, messages: messages.value } : undefined;
  };
}

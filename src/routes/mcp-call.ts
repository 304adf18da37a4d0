import type { CallToolResult } from "@modelcontextprotocol/server";
import { Context } from "hono";
import { canonicalPath, canonicalQuery } from "../domain/proxy-path.ts";
import { readCapped } from "../protocol/body.ts";
import type { CallUpstreamInput } from "../protocol/mcp-tools.ts";
import type { App, Handling } from "./http.ts";
import { toolAnswer, toolError } from "./mcp-result.ts";
import { callUpstream } from "./proxy.ts";
import type { Bearing } from "./proof.ts";

/** The largest answer that is put into a tool's, in bytes: a model reads all of it. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** One call of an upstream as a tool: the proxy's own way, judged and counted as there. */
export async function callTool(c: Handling, bearing: Bearing, input: CallUpstreamInput): Promise<CallToolResult> {
  const upstream = c.var.tenant.tenant.upstreams.get(input.upstream);
  if (upstream === undefined) return toolError("there is no such upstream");
  const path = canonicalPath(input.path);
  const query = canonicalQuery(input.query ?? "");
  if (!path.ok || !query.ok) return toolError("the path or query is not in canonical form, or carries a credential");
  if (input.body !== undefined && ["GET", "HEAD"].includes(input.method))
    return toolError("GET and HEAD take no body; nothing was sent");
  const target = { upstream, path: path.value, query: query.value === "" ? "" : `?${query.value}` };
  const response = await callUpstream(asProxied(c, input), bearing, target);
  const body = await readCapped({ headers: response.headers, body: response.body }, MAX_ANSWER_BYTES).catch(
    () => undefined,
  );
  const about = { status: response.status, content_type: response.headers.get("content-type") };
  if (body === undefined) return toolError("the answer broke off; the call may have had its effect", about);
  if (!body.ok) return toolError("the answer is too large for a tool; the call may have had its effect", about);
  const answer = { ...about, body: new TextDecoder().decode(body.value) };
  return response.ok ? toolAnswer(answer) : { ...toolAnswer(answer), isError: true };
}

/** The call as if it had come to the proxy; of the client's own headers, none. */
function asProxied(c: Handling, { method, body, content_type }: CallUpstreamInput): Handling {
  const headers = new Headers({ accept: "application/json" });
  if (body !== undefined) headers.set("content-type", content_type ?? "application/json");
  const request = new Request(c.var.tenant.issuer, { method, headers, ...(body === undefined ? {} : { body }) });
  const proxied = new Context<App>(request, { env: c.env, executionCtx: c.executionCtx, path: "/" });
  proxied.set("tenant", c.var.tenant);
  return proxied;
}

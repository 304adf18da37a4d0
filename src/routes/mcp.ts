import { Hono } from "hono";
import { err, ok, type Result } from "../domain/result.ts";
import { readJson } from "../protocol/body.ts";
import { isAmbiguous } from "../protocol/proxy-headers.ts";
import { MCP_PATH } from "../protocol/token-exchange.ts";
import { invalidRequest, NO_STORE, renderError, type WireError } from "../protocol/wire-error.ts";
import type { App, Handling } from "./http.ts";
import { untilSessionEnds } from "./mcp-stream.ts";
import { sessionObject } from "./objects.ts";
import { bearingAt, challengeOf, freshNonce, type Bearing } from "./proof.ts";
import { useErrorAtResource } from "./session-errors.ts";

/** The largest request, in bytes. */
const MAX_REQUEST_BYTES = 256 * 1024;

/** Stint itself as an MCP server: ask for a session, see its state, use what was granted, end it. */
export const mcp = new Hono<App>().all(MCP_PATH, async (c) => {
  const refusal = refuseRequest(c);
  if (refusal !== undefined) return renderError(refusal);
  const audience = c.var.tenant.issuer + MCP_PATH;
  const bearing = await bearingAt(c, audience, audience);
  if (!bearing.ok) return renderError(bearing.error);
  const live = await useProof(c, bearing.value, audience);
  if (!live.ok) return renderError(live.error);
  const body = await readJson(c.req.raw, MAX_REQUEST_BYTES);
  if (!body.ok) return renderError(body.error);
  // The schemas of its protocol would be a quarter of a start, and few isolates ever speak it.
  const { answerMessage } = await import("./mcp-own-server.ts");
  const response = await answerMessage(c, bearing.value, body.value.value);
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(NO_STORE)) headers.set(name, value);
  headers.set("dpop-nonce", freshNonce(c, "resource"));
  return new Response(untilSessionEnds(c, bearing.value.token, response), { status: response.status, headers });
});

/** What is turned away before any token is looked at. */
function refuseRequest(c: Handling): WireError | undefined {
  // A page of somebody else's must not reach this through a browser, by DNS rebinding least of all.
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== c.var.tenant.issuer)
    return { status: 403, error: "access_denied", description: "requests from other origins are not taken" };
  // No state is kept between requests, so there is nothing to listen to and nothing to end.
  if (c.req.method !== "POST")
    return {
      status: 405,
      error: "invalid_request",
      description: "this address takes POST",
      headers: { allow: "POST" },
    };
  if (c.req.url.includes("?")) return invalidRequest("this address takes no query; the token goes into the header");
  if (isAmbiguous(c.req.raw.headers))
    return invalidRequest("a header that says how the body is to be read stands twice");
  return undefined;
}

/** Uses the proof up, and finds the session alive. What the tools do after it is checked again by the session. */
async function useProof(
  c: Handling,
  { token, proof, standing }: Bearing,
  audience: string,
): Promise<Result<void, WireError>> {
  const session = sessionObject(c.env, c.var.tenant.issuer, token.session_id);
  const used = await session.describe(token, proof.oneTime);
  const live = used.ok ? await session.introspect(token, standing) : used;
  return live.ok ? ok(undefined) : err(useErrorAtResource(live.error, challengeOf(c, audience)));
}

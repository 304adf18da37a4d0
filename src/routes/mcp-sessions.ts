import type { CallToolResult } from "@modelcontextprotocol/server";
import { findClient } from "../clients.ts";
import { newId } from "../crypto/random.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Ending } from "../domain/session.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import { readSessionRequest } from "../protocol/session-request.ts";
import type { RequestSessionInput } from "../protocol/mcp-tools.ts";
import type { Handling } from "./http.ts";
import { partOfRequest } from "./mcp-part.ts";
import { toolAnswer, toolError, toolRefusal } from "./mcp-result.ts";
import { agentObject, sessionObject } from "./objects.ts";
import type { Bearing } from "./proof.ts";
import { requestSession, sessionAskError, type RequestedSession } from "./request-session.ts";
import { sessionView } from "./session-view.ts";

/** How long one call waits for a human, in seconds: clients give a call up soon after. */
const WAIT_SECONDS = 25;

/** Asks for a session in the client's own name, bound to the key that it proved. */
export async function requestOwn(
  c: Handling,
  { token, proof }: Bearing,
  { title, description, ...access }: RequestSessionInput,
): Promise<Result<RequestedSession, CallToolResult>> {
  const read = readSessionRequest({
    task: { title, ...(description === undefined ? {} : { description }) },
    ...access,
  });
  if (!read.ok) return err(toolRefusal(read.error));
  const found = await findClient(c.env, c.var.tenant, token.client_id);
  if (!found.ok || found.value.kind !== "agent") return err(toolError("the client is no longer registered"));
  const { task, authorization_details, expires_in } = read.value;
  const requested = await requestSession(c, {
    client: { client: found.value, id: token.client_id, oneTime: [] },
    oneTime: [partOfRequest()],
    task,
    authorization_details,
    expires_in,
    jkt: proof.jkt,
  });
  return requested.ok ? requested : err(toolRefusal(sessionAskError(requested.error, c)));
}

interface OwnSession {
  readonly description: SessionDescription;
  /** As if the session's own token had been shown; none for a session that has no token, or none any more. */
  readonly bearing: Bearing | undefined;
}

/**
 * The session that a caller names. Its id is no secret and opens nothing: it has to be of the same
 * client and the same key as the token that was shown. One that was approved meanwhile is taken up.
 *
 * @param named none for the session of the token itself
 */
export async function ownSession(
  c: Handling,
  bearing: Bearing,
  named: string | undefined,
): Promise<Result<OwnSession, CallToolResult>> {
  const { token, proof, standing } = bearing;
  const id = named ?? token.session_id;
  const { issuer } = c.var.tenant;
  const isKnown = id === token.session_id || (await agentObject(c.env, issuer, token.client_id).hasAsked(id));
  if (!isKnown) return err(NO_SUCH_SESSION);
  const session = sessionObject(c.env, issuer, id);
  const found = await session.inspect();
  const part = partOfRequest();
  if (id === token.session_id && found !== undefined)
    return ok({ description: found, bearing: { ...bearing, proof: { ...proof, oneTime: part } } });
  const { request } = found?.state ?? {};
  if (found === undefined || request?.client_id !== token.client_id || request.jkt !== proof.jkt)
    return err(NO_SUCH_SESSION);
  if (found.state.status === "active" && found.state.first_token === undefined) {
    // Whether this or another call takes it up, there is one token.
    await session.poll({
      client_id: token.client_id,
      client_document: request.client_document?.digest,
      proof: part,
      jkt: proof.jkt,
      jti: newId(ID_PREFIXES.token),
      standing,
    });
  }
  const description = (await session.inspect()) ?? found;
  const { state } = description;
  if (state.status !== "active" || state.first_token === undefined) return ok({ description, bearing: undefined });
  const { authorization_details, expires_at } = state.grant;
  const { jti } = state.first_token;
  return ok({
    description,
    bearing: {
      standing,
      proof: { ...proof, oneTime: partOfRequest() },
      token: { ...token, session_id: id, jti, authorization_details, expires_at, grant_digest: state.grant_digest },
    },
  });
}

/** How a session stands. One that a human denied is an error that says so. */
export async function stateOf(c: Handling, bearing: Bearing, named: string | undefined): Promise<CallToolResult> {
  const own = await ownSession(c, bearing, named);
  return own.ok ? tell(own.value.description) : own.error;
}

/** Waits a while for the human, and tells how the session stands then. */
export async function decided(
  c: Handling,
  bearing: Bearing,
  sessionId: string,
  signal: AbortSignal,
): Promise<CallToolResult> {
  const until = Date.now() + WAIT_SECONDS * 1000;
  for (;;) {
    const own = await ownSession(c, bearing, sessionId);
    if (!own.ok) return own.error;
    const { description } = own.value;
    if (description.state.status !== "pending" || Date.now() >= until || signal.aborted) return tell(description);
    await sessionObject(c.env, c.var.tenant.issuer, sessionId).untilDecided();
  }
}

/** Ends a session, or takes back a request that waits. */
export async function endOwn(c: Handling, bearing: Bearing, named: string | undefined): Promise<CallToolResult> {
  const own = await ownSession(c, bearing, named);
  if (!own.ok) return own.error;
  const { description } = own.value;
  const { client_id, session_id } = description.state.request;
  const session = sessionObject(c.env, c.var.tenant.issuer, session_id);
  if (description.state.status === "ended") return tell(description);
  const withdrawn = description.state.status === "pending" ? await session.withdraw(client_id) : undefined;
  // Where a human approved it meanwhile there is a session to end.
  const ended = withdrawn?.ok === true ? withdrawn : await session.finish(client_id, partOfRequest());
  return ended.ok ? toolAnswer(sessionView(ended.value)) : stateOf(c, bearing, named);
}

/** What a tool says of a session that was asked for. One that nobody approved is an error that says so. */
export function tell(description: SessionDescription): CallToolResult {
  const { state, setting } = description;
  const view = sessionView(description);
  if (state.status === "pending")
    return toolAnswer({
      ...view,
      match_code: setting.match_code,
      next: "a human has to decide; show them the match code, and ask again with session_state after some seconds",
    });
  const refusal = state.status === "ended" && state.grant === undefined ? NEVER_BEGAN[state.how] : undefined;
  return refusal === undefined ? toolAnswer(view) : toolError(refusal, view);
}

/** Why there was no session, for the model. What it took back itself is no error. */
const NEVER_BEGAN: { readonly [how in Ending]?: string } = {
  denied: "a human denied this session; do not ask for the same again, tell whom you work for",
  expired: "nobody decided in time; tell whom you work for before you ask again",
  revoked: "the request was taken away; do not ask for the same again, tell whom you work for",
};

const NO_SUCH_SESSION = toolError("there is no such session of this client and key");

import { newId } from "../crypto/random.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { OneTime } from "../durable/one-time.ts";
import type { ServerCallCommand } from "../durable/session-commands.ts";
import type { Challenge } from "../protocol/dpop.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { checkShownTools } from "./mcp-definitions.ts";
import { serverCallError } from "./mcp-errors.ts";
import { partOfRequest } from "./mcp-part.ts";
import type { ServerCaller } from "./mcp-server-credential.ts";
import { sessionObject } from "./objects.ts";
import type { AccessToken } from "../protocol/access-token.ts";

/**
 * Looks at a server before any of its tools is called, under a permit that only connects and counts no
 * call: one that the server itself made impossible is not the agent's to pay for. The request's proof is
 * used up by it.
 *
 * @param command for the request itself
 * @returns by what the calls are let through then
 */
export async function lookFirst(
  caller: ServerCaller,
  token: AccessToken,
  command: ServerCallCommand,
  challenge: Challenge,
): Promise<Result<OneTime, WireError>> {
  const { c, server } = caller;
  const session = sessionObject(c.env, c.var.tenant.issuer, token.session_id);
  const jti = newId(ID_PREFIXES.token);
  const { calls, mint } = command;
  const connecting = { ...command, calls: [], ahead: calls, bodyBytes: 0, mint: { ...mint, jti } };
  const permit = await session.callServer(connecting);
  if (!permit.ok) return err(serverCallError(permit.error, challenge));
  const refusal = await checkShownTools(caller, permit.value.token, calls);
  if (refusal === undefined) return ok(partOfRequest());
  await session.refuse(refusal.reason, { jti: token.jti, server: server.id });
  return err(refusal.error);
}

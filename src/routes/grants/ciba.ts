import { newId } from "../../crypto/random.ts";
import { sessionOfHandle } from "../../crypto/session-handle.ts";
import { ID_PREFIXES } from "../../domain/ids.ts";
import type { Form } from "../../protocol/body.ts";
import { pollError } from "../../protocol/redemption-errors.ts";
import { invalidRequest, renderError, type WireError } from "../../protocol/wire-error.ts";
import { assertionOf, identifyClient, useAssertion } from "../client.ts";
import type { Handling } from "../http.ts";
import { sessionObject, standingOf } from "../objects.ts";
import { proofAtServer } from "../proof.ts";
import { answerToken, refuseClient, TOKEN_PATH } from "../token-answer.ts";

/** CIBA Core §10: the agent asks whether the human has decided. */
export async function redeemHandle(c: Handling, form: Form): Promise<Response> {
  const client = await identifyClient(c, assertionOf(form));
  if (!client.ok) return renderError(client.error);
  const proof = await proofAtServer(c, TOKEN_PATH);
  if (!proof.ok) return renderError(proof.error);
  const used = await useAssertion(c, client.value);
  if (!used.ok) return renderError(used.error);
  const { issuer, root } = c.var.tenant;
  if (form.has("scope")) return refuseClient(c, client.value, "scope_asked", NOTHING_MORE);
  const handle = form.get("auth_req_id");
  if (handle === undefined) return renderError(invalidRequest("auth_req_id is missing"));
  const sessionId = sessionOfHandle(root, issuer, "auth_req_id", handle);
  const standing = standingOf(c.var.tenant, client.value.id);
  if (sessionId === undefined || standing === undefined) return renderError(pollError("unknown_session"));
  const session = sessionObject(c.env, issuer, sessionId);
  const polled = await session.poll({
    client_id: client.value.id,
    client_document: client.value.client.document?.digest,
    proof: proof.value.oneTime,
    jkt: proof.value.jkt,
    jti: newId(ID_PREFIXES.token),
    standing,
  });
  if (polled.ok) return answerToken(c, polled.value, { session_id: polled.value.session_id });
  const error = pollError(polled.error);
  const comment = polled.error === "denied" ? await session.comment() : undefined;
  return renderError(comment === undefined ? error : { ...error, members: { comment } });
}

const NOTHING_MORE: WireError = {
  status: 400,
  error: "invalid_scope",
  description:
    "what the session holds was decided already, and there is no offline_access; for more open a new session, which a human must approve",
};

import { sha256 } from "../../crypto/hash.ts";
import { newId } from "../../crypto/random.ts";
import { sessionOfHandle } from "../../crypto/session-handle.ts";
import { limitedNow } from "../../domain/policy.ts";
import { ID_PREFIXES } from "../../domain/ids.ts";
import type { Target } from "../../domain/exchange.ts";
import { err, ok, type Result } from "../../domain/result.ts";
import type { Form } from "../../protocol/body.ts";
import { codeError } from "../../protocol/redemption-errors.ts";
import { findTarget, invalidTarget } from "../../protocol/token-exchange.ts";
import { invalidRequest, renderError, type WireError } from "../../protocol/wire-error.ts";
import { takesBearer } from "../authorization.ts";
import { identifyAnyClient, useAssertion } from "../client.ts";
import type { Handling } from "../http.ts";
import { sessionObject, standingOf } from "../objects.ts";
import { refuseUnproved } from "../mcp-signature.ts";
import { freshNonce, proofAtServer } from "../proof.ts";
import { answerToken, TOKEN_PATH } from "../token-answer.ts";

/** RFC 7636 §4.1. */
const CODE_VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** RFC 6749 §4.1.3: the client brings the code that the browser carried. */
export async function redeemCode(c: Handling, form: Form): Promise<Response> {
  const client = await identifyAnyClient(c, form);
  if (!client.ok) return renderError(client.error);
  const code = form.get("code");
  const verifier = form.get("code_verifier");
  if (code === undefined) return renderError(invalidRequest("code is missing"));
  if (verifier === undefined || !CODE_VERIFIER.test(verifier))
    return renderError(invalidRequest("code_verifier must be 43 to 128 unreserved characters"));
  // Without a proof the session decides: only where the human approved a token without a key is it enough.
  const bearer = c.req.header("dpop") === undefined && client.value.client.mayUseBearer;
  const proof = bearer ? ok(undefined) : await proofAtServer(c, TOKEN_PATH);
  if (!proof.ok) return renderError(proof.error);
  const used = await useAssertion(c, client.value);
  if (!used.ok) return renderError(used.error);
  const { issuer, root } = c.var.tenant;
  const sessionId = sessionOfHandle(root, issuer, "code", code);
  const standing = standingOf(c.var.tenant, client.value.id);
  if (sessionId === undefined || standing === undefined)
    return renderError(codeError("unknown_session", freshNonce(c, "as")));
  const session = sessionObject(c.env, issuer, sessionId);
  const target = targetOf(form, (await session.request())?.code_flow?.resource, c);
  if (!target.ok) return renderError(target.error);
  const unproved = await refuseUnproved(c, target.value);
  if (unproved !== undefined) return renderError(unproved);
  // Asked again today: a server that takes no such tokens any more gets none that was approved before.
  if (bearer && !takesBearer(c, target.value)) return renderError(codeError("wrong_key", freshNonce(c, "as")));
  const redeemed = await session.redeemCode({
    presented: {
      client_id: client.value.id,
      client_document: client.value.client.document?.digest,
      redirect_uri: form.get("redirect_uri"),
      challenge: sha256(verifier),
    },
    proof: proof.value?.oneTime,
    jkt: proof.value?.jkt,
    jti: newId(ID_PREFIXES.token),
    standing,
    target: target.value,
    limitedNow: limitedNow(c.var.tenant.tenant, client.value.id, target.value),
  });
  if (!redeemed.ok) return renderError(codeError(redeemed.error, freshNonce(c, "as")));
  return answerToken(c, redeemed.value, { session_id: redeemed.value.session_id });
}

/** RFC 8707 §2.2: the token is for what the authorization request named; the token request may only name it again. */
function targetOf(form: Form, requested: string | undefined, c: Handling): Result<Target | undefined, WireError> {
  const named = form.get("resource");
  if (named !== undefined && named !== (requested ?? c.var.tenant.issuer))
    return err(invalidTarget("resource differs from the one in the authorization request"));
  if (requested === undefined || requested === c.var.tenant.issuer) return ok(undefined);
  return findTarget(requested, c.var.tenant);
}

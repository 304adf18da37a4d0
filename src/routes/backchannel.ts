import { Hono } from "hono";
import { ok } from "../domain/result.ts";
import { readBackchannelRequest } from "../protocol/backchannel-request.ts";
import { readWholeForm } from "../protocol/body.ts";
import { readRequestObject } from "../protocol/request-object.ts";
import { invalidRequest, NO_STORE, renderError } from "../protocol/wire-error.ts";
import { assertionOf, identifyClient } from "./client.ts";
import { nowSeconds, type App } from "./http.ts";
import { freshNonce, proofOrNone } from "./proof.ts";
import { pollingAnswer, requestSession, sessionAskError } from "./request-session.ts";
import { NOT_AN_AGENT } from "./sessions.ts";

const PATH = "/oauth/backchannel";

/** CIBA Core §7: the same request as `POST /sessions`, in OAuth's words. */
export const backchannel = new Hono<App>().post(PATH, async (c) => {
  const form = await readWholeForm(c.req.raw);
  if (!form.ok) return renderError(form.error);
  const client = await identifyClient(c, assertionOf(form.value));
  if (!client.ok) return renderError(client.error);
  if (client.value.kind !== "agent") return renderError(NOT_AN_AGENT);
  const signed = form.value.has("request")
    ? await readRequestObject(form.value, client.value, c.var.tenant.issuer, nowSeconds())
    : ok({ parameters: form.value, oneTime: undefined });
  if (!signed.ok) return renderError(signed.error);
  const asked = readBackchannelRequest(signed.value.parameters);
  if (!asked.ok) return renderError(asked.error);
  const proof = await proofOrNone(c, PATH);
  if (!proof.ok) return renderError(proof.error);
  const jkt = proof.value?.jkt ?? asked.value.dpop_jkt;
  if (asked.value.dpop_jkt !== undefined && asked.value.dpop_jkt !== jkt)
    return renderError(invalidRequest("dpop_jkt is not the key of the DPoP proof"));
  const { task, authorization_details, expires_in, approver } = asked.value;
  const requested = await requestSession(c, {
    client: client.value,
    oneTime: [proof.value?.oneTime, signed.value.oneTime].filter((thing) => thing !== undefined),
    task,
    authorization_details,
    expires_in,
    approver,
    jkt,
  });
  if (!requested.ok) return renderError(sessionAskError(requested.error, c));
  return c.json(pollingAnswer(requested.value, c), 200, { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") });
});

import { Hono } from "hono";
import { newId } from "../crypto/random.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { ok } from "../domain/result.ts";
import { readWholeForm } from "../protocol/body.ts";
import { readRequestObject } from "../protocol/request-object.ts";
import { invalidRequest, NO_STORE, renderError, UNAVAILABLE } from "../protocol/wire-error.ts";
import { judgeAuthorization } from "./authorization.ts";
import { identifyAnyClient } from "./client.ts";
import { nowSeconds, type App } from "./http.ts";
import { agentObject } from "./objects.ts";
import { freshNonce, proofOrNone } from "./proof.ts";
import { INVALID_CLIENT } from "../protocol/client-assertion.ts";

const PATH = "/oauth/par";
export const REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:";
/** From here to a browser that shows the page: RFC 9126 §2.2 suggests less than ten minutes. */
const LIFETIME_SECONDS = 90;
/** What belongs to the push and not to the request. */
const NOT_PUSHED = new Set(["client_assertion", "client_assertion_type"]);

/** RFC 9126: a client leaves its authorization request here, unseen by the browser and unchanged by it. */
export const par = new Hono<App>().post(PATH, async (c) => {
  const form = await readWholeForm(c.req.raw);
  if (!form.ok) return renderError(form.error);
  const client = await identifyAnyClient(c, form.value);
  if (!client.ok) return renderError(client.error);
  // RFC 9126 §2.1: a pushed request cannot point at another.
  if (form.value.has("request_uri")) return renderError(invalidRequest("request_uri cannot be pushed"));
  const { issuer } = c.var.tenant;
  const signed = form.value.has("request")
    ? await readRequestObject(form.value, client.value, issuer, nowSeconds())
    : ok({ parameters: form.value, oneTime: undefined });
  if (!signed.ok) return renderError(signed.error);
  const proof = await proofOrNone(c, PATH);
  if (!proof.ok) return renderError(proof.error);
  const parameters = new Map([...signed.value.parameters].filter(([name]) => !NOT_PUSHED.has(name)));
  const jkt = proof.value?.jkt;
  if (jkt !== undefined && (parameters.get("dpop_jkt") ?? jkt) !== jkt)
    return renderError(invalidRequest("dpop_jkt is not the key of the DPoP proof"));
  if (jkt !== undefined) parameters.set("dpop_jkt", jkt);
  const judged = judgeAuthorization(c, client.value.client, parameters);
  if (!judged.ok) return renderError(judged.error.error);
  const id = newId(ID_PREFIXES.pushed);
  const identity = { issuer, client_id: client.value.id };
  const oneTime = [...client.value.oneTime, proof.value?.oneTime, signed.value.oneTime].filter(
    (thing) => thing !== undefined,
  );
  const pushed = await agentObject(c.env, issuer, client.value.id).push(identity, oneTime, {
    id,
    parameters: JSON.stringify([...parameters]),
    until: nowSeconds() + LIFETIME_SECONDS,
  });
  if (!pushed.ok) return renderError(pushed.error === "overloaded" ? UNAVAILABLE : INVALID_CLIENT);
  return c.json({ request_uri: REQUEST_URI_PREFIX + id, expires_in: LIFETIME_SECONDS }, 201, {
    ...NO_STORE,
    "dpop-nonce": freshNonce(c, "as"),
  });
});

import { keysOf } from "../../clients.ts";
import { isWithin, type AccessDetail } from "../../domain/access.ts";
import { planCodeToken } from "../../domain/exchange.ts";
import type { Person } from "../../domain/tenant.ts";
import { readAskedAccess } from "../../protocol/authorization-details.ts";
import { readRequestedExpiry, readTask } from "../../protocol/authorization-request.ts";
import type { Form } from "../../protocol/body.ts";
import { claimedIssuer, INVALID_ASSERTION, verifyIdentityAssertion } from "../../protocol/id-jag.ts";
import { pollError } from "../../protocol/redemption-errors.ts";
import { findTarget, invalidTarget } from "../../protocol/token-exchange.ts";
import { invalidRequest, renderError } from "../../protocol/wire-error.ts";
import { assertionOf, clientError, identifyClient } from "../client.ts";
import { nowSeconds, type Handling } from "../http.ts";
import { freshNonce, proofAtServer } from "../proof.ts";
import { pollingAnswer, requestSession, sessionAskError } from "../request-session.ts";
import { NOT_AN_AGENT } from "../sessions.ts";
import { TOKEN_PATH } from "../token-answer.ts";

/**
 * RFC 7523 §4 with an ID-JAG. The enterprise's word says who the agent works for, and no more: what
 * opens is a session that waits for its human, so the answer is `authorization_pending` with the
 * handle to poll with, never a token.
 */
export async function admitAssertedIdentity(c: Handling, form: Form): Promise<Response> {
  const client = await identifyClient(c, assertionOf(form));
  if (!client.ok) return renderError(client.error);
  if (client.value.kind !== "agent") return renderError(NOT_AN_AGENT);
  const assertion = form.get("assertion");
  if (assertion === undefined) return renderError(invalidRequest("assertion is missing"));
  const { tenant, issuer } = c.var.tenant;
  const provider = tenant.document.identity_providers.find((known) => known.issuer === claimedIssuer(assertion));
  if (provider === undefined) return renderError(INVALID_ASSERTION);
  const keys = await keysOf(c.env, c.var.tenant, provider, true);
  if (!keys.ok) return renderError(clientError("too_many"));
  const identity = await verifyIdentityAssertion(
    assertion,
    { issuer: provider.issuer, keys: keys.value },
    { issuer, clientId: client.value.id, now: nowSeconds() },
  );
  if (!identity.ok) return renderError(identity.error);
  const user = personAt([...tenant.people.values()], provider.issuer, identity.value.subject);
  if (user === undefined) return renderError(INVALID_ASSERTION);
  // What the enterprise allows is in the assertion; the form may repeat it, and say it where it does not.
  const { scope } = identity.value;
  if (scope !== undefined && (form.get("scope") ?? scope) !== scope)
    return renderError({ status: 400, error: "invalid_scope", description: "scope differs from the assertion's" });
  const access = readAskedAccess(scope === undefined ? form : new Map([["scope", scope]]));
  if (!access.ok) return renderError(access.error);
  if (access.value === undefined)
    return renderError(invalidRequest("say in scope or authorization_details what the session is for"));
  const { resource } = identity.value;
  if (resource !== undefined && !isFor(resource, access.value, c))
    return renderError(invalidTarget("what is asked for goes beyond the resource of the assertion"));
  const expiresIn = readRequestedExpiry(form);
  if (!expiresIn.ok) return renderError(expiresIn.error);
  const proof = await proofAtServer(c, TOKEN_PATH);
  if (!proof.ok) return renderError(proof.error);
  const requested = await requestSession(c, {
    client: client.value,
    oneTime: [proof.value.oneTime, identity.value.oneTime],
    task: readTask(form.get("binding_message")),
    user: user.id,
    authorization_details: access.value,
    expires_in: expiresIn.value,
    jkt: proof.value.jkt,
  });
  if (!requested.ok) return renderError(sessionAskError(requested.error, c));
  return renderError({
    ...pollError("pending"),
    description: "no human has decided yet; poll with auth_req_id and the grant urn:openid:params:grant-type:ciba",
    members: pollingAnswer(requested.value, c),
    headers: { "dpop-nonce": freshNonce(c, "as") },
  });
}

/** Whether all of it is for the one audience that the enterprise allowed. */
function isFor(resource: string, details: readonly AccessDetail[], c: Handling): boolean {
  if (resource === c.var.tenant.issuer) return true;
  const target = findTarget(resource, c.var.tenant);
  const part = target.ok
    ? planCodeToken({ authorization_details: details, expires_at: 0 }, target.value, () => true)
    : target;
  return part.ok && isWithin(details, part.value.authorization_details);
}

/** The person whom an identity provider knows by this subject. Never by address: those are given to others in time. */
function personAt(people: readonly Person[], issuer: string, subject: string): Person | undefined {
  return people.find(({ identities }) => identities.some((one) => one.issuer === issuer && one.subject === subject));
}

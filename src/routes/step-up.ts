import { Hono } from "hono";
import { limit, limitsOf, narrow, placesOf, unitsBeyond, unitsOf, type AccessDetail } from "../domain/access.ts";
import { MIN_SESSION_SECONDS } from "../domain/grant.ts";
import { LIMIT_NAMES } from "../domain/limits.ts";
import { readAuthorizationDetails } from "../protocol/authorization-details.ts";
import { readJsonObject } from "../protocol/body.ts";
import { BEGIN_ANEW, LIMITS_STAY, NOTHING_NEW, readStepUp, SESSION_OVER } from "../protocol/step-up.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { nowSeconds, type App } from "./http.ts";
import { noQuery } from "./no-query.ts";
import { presented, sessionObject } from "./objects.ts";
import { bearingAtSession, challengeOf, freshNonce } from "./proof.ts";
import { requestSession, sessionAskError } from "./request-session.ts";
import { useErrorAtResource } from "./session-errors.ts";
import { NO_SUCH_SESSION } from "./sessions.ts";

/**
 * An agent asks for more in the session it has: a request of its own, judged and decided like a first
 * one, for all that the session would then hold. It cannot ask for more time.
 */
export const stepUp = new Hono<App>().post("/sessions/:id/grants", noQuery, async (c) => {
  const body = await readJsonObject(c.req.raw);
  if (!body.ok) return renderError(body.error);
  const asked = readStepUp(body.value);
  if (!asked.ok) return renderError(asked.error);
  const id = c.req.param("id");
  const bearing = await bearingAtSession(c, `/sessions/${id}/grants`);
  if (!bearing.ok) return renderError(bearing.error);
  const { token, proof, standing } = bearing.value;
  if (token.session_id !== id) return renderError(NO_SUCH_SESSION);
  const { issuer } = c.var.tenant;
  const use = { token: presented(token), proof: proof.oneTime, standing };
  const live = await sessionObject(c.env, issuer, id).prepareStepUp(use);
  if (!live.ok) return renderError(useErrorAtResource(live.error, challengeOf(c, issuer)));

  const { request, grant, grant_digest } = live.value;
  const { authorization_details: held, expires_at } = grant;
  if (request.code_flow !== undefined) return renderError(BEGIN_ANEW);
  if (unitsBeyond(asked.value.authorization_details, held).length === 0) return renderError(NOTHING_NEW);
  if (raisesLimit(asked.value.authorization_details, held)) return renderError(LIMITS_STAY);
  const all = readAuthorizationDetails(together(held, asked.value.authorization_details));
  if (!all.ok) return renderError(all.error);
  const left = expires_at - nowSeconds();
  if (left < MIN_SESSION_SECONDS) return renderError(SESSION_OVER);
  const requested = await requestSession(c, {
    client: { id: request.client_id, oneTime: [], client: { document: request.client_document } },
    oneTime: [],
    task: asked.value.task ?? request.task,
    user: request.user,
    authorization_details: all.value,
    expires_in: left,
    jkt: grant.jkt ?? token.jkt,
    extends: { session_id: id, grant_digest, authorization_details: held, expires_at },
  });
  if (!requested.ok) return renderError(sessionAskError(requested.error, c));
  const { session_id: request_id, match_code, request_expires_at } = requested.value;
  const answer = { request_id, expires_in: Math.max(0, request_expires_at - nowSeconds()), match_code };
  return c.json(answer, 202, { ...NO_STORE, "dpop-nonce": freshNonce(c, "resource") });
});

/** Whether more is asked of a place than the session may use of it. What is left out stays as it is. */
function raisesLimit(more: readonly AccessDetail[], held: readonly AccessDetail[]): boolean {
  return placesOf(held).some((place) => {
    const [asked, signed] = [limitsOf(more, place), limitsOf(held, place)];
    return LIMIT_NAMES.some((name) => (asked[name] ?? 0) > (signed[name] ?? Infinity));
  });
}

/** All that the session would hold. What comes on top stands in entries of its own, each unit once, under the lowest limits of its place. */
function together(held: readonly AccessDetail[], more: readonly AccessDetail[]): AccessDetail[] {
  const units = new Set(held.flatMap(unitsOf));
  const all = [...held, ...narrow(more, (unit) => !units.has(unit))];
  return limit(all, (place) => limitsOf(more, place));
}

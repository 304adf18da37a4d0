import { Hono } from "hono";
import { deciderTerms } from "../domain/break-glass.ts";
import { readSlackInteraction } from "../protocol/slack-interaction.ts";
import { NO_STORE, renderError, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { readSecret } from "../tenancy.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { sessionObject } from "./objects.ts";

const NOT_OFFERED: WireError = { status: 404, error: "not_found", description: "this tenant takes nothing from Slack" };
const NOT_YOURS: WireError = { status: 403, error: "access_denied", description: "you cannot decide this request" };

/**
 * What is pressed in a message of Slack's. It can only deny: approving takes the page, where all of the
 * grant stands and a passkey can sign it. Slack shows a press that is refused as failed; nothing is
 * posted to a `response_url`. What is denied twice was denied once.
 */
export const slack = new Hono<App>().post("/slack/interactions", async (c) => {
  const { issuer, tenant } = c.var.tenant;
  const { interactions } = tenant.document.notify.slack ?? {};
  if (interactions === undefined) return renderError(NOT_OFFERED);
  const signingSecret = await readSecret(c.env, issuer, interactions.signing_secret.secret);
  if (signingSecret === undefined || signingSecret === "") return renderError(UNAVAILABLE);
  const setting = { signingSecret, teamId: interactions.team_id, now: nowSeconds() };
  const read = await readSlackInteraction(c.req.raw, setting);
  if (!read.ok) return renderError(read.error);
  return read.value === undefined ? c.body(null, 200, NO_STORE) : deny(c, read.value.sessionId, read.value.user);
});

async function deny(c: Handling, sessionId: string, slackUser: string): Promise<Response> {
  const { issuer, tenant } = c.var.tenant;
  const [person, ...others] = tenant.document.people.filter(({ slack: member }) => member === slackUser);
  if (person === undefined || others.length > 0) return renderError(NOT_YOURS);
  const session = sessionObject(c.env, issuer, sessionId);
  const viewed = await session.view(person.id);
  if (!viewed.ok) {
    await session.refuse("not_an_approver", { person: person.id, via: "slack" });
    return renderError(NOT_YOURS);
  }
  const { state } = viewed.value;
  const terms = deciderTerms(tenant, person.id, state, nowSeconds());
  const denied = await session.deny(
    { person: person.id, assurance: "link", via: "slack", ...terms },
    state.request_digest,
  );
  if (!denied.ok && denied.error.reason === "not_an_approver") return renderError(NOT_YOURS);
  return c.body(null, 200, NO_STORE);
}

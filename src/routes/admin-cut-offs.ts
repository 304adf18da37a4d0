import { Hono } from "hono";
import type { CutOff } from "../domain/cut-off.ts";
import { registrationOf } from "../domain/registration.ts";
import { renderError } from "../protocol/wire-error.ts";
import { forgetTenant } from "../tenancy.ts";
import { NOT_FOUND, readReason } from "./admin-request.ts";
import type { App, Handling } from "./http.ts";
import { agentObject, sessionObject, tenantObject } from "./objects.ts";

/** Takes away at once all that an agent began, a person approved, or the tenant has; and lets an agent ask again. */
export const adminCutOffs = new Hono<App>()
  .post("/admin/agents/:id{.+}/revoke", async (c) => {
    const reason = await readReason(c);
    if (!reason.ok) return renderError(reason.error);
    const { tenant } = c.var.tenant;
    const clientId = c.req.param("id");
    if (registrationOf(tenant, clientId) === undefined) return renderError(NOT_FOUND);
    return c.json(await cutOff(c, { kind: "agent", id: clientId }, reason.value));
  })
  .post("/admin/agents/:id{.+}/reinstate", async (c) => {
    const { issuer, tenant } = c.var.tenant;
    const clientId = c.req.param("id");
    if (registrationOf(tenant, clientId) === undefined) return renderError(NOT_FOUND);
    const identity = { issuer, client_id: clientId };
    return c.json({ reinstated: await agentObject(c.env, issuer, clientId).lift(identity) });
  })
  .post("/admin/people/:id/revoke", async (c) => {
    const reason = await readReason(c);
    if (!reason.ok) return renderError(reason.error);
    // Also of somebody who left: the document need not name them any more.
    return c.json(await cutOff(c, { kind: "approver", id: c.req.param("id") }, reason.value));
  })
  .post("/admin/revoke", async (c) => {
    const reason = await readReason(c);
    if (!reason.ok) return renderError(reason.error);
    return c.json(await cutOff(c, { kind: "tenant" }, reason.value));
  });

/** Cuts off, and tells every session that can be reached; answers those that were ended by it. */
async function cutOff(c: Handling, whom: CutOff, reason: string | undefined) {
  const { issuer } = c.var.tenant;
  const sessions = await tenantObject(c.env, issuer).cutOff(whom, reason);
  forgetTenant(issuer);
  return { result: "revoked", sessions: await endSessions(c, sessions, reason ?? `${whom.kind} revoked`) };
}

/** Ends the sessions that can be reached; answers those that were ended by it. */
export async function endSessions(c: Handling, sessions: readonly string[], reason: string): Promise<string[]> {
  const { issuer } = c.var.tenant;
  const results = await Promise.all(
    sessions.map((id) => sessionObject(c.env, issuer, id).revoke({ kind: "operator" }, reason)),
  );
  return sessions.filter((_, at) => results[at] === "revoked");
}

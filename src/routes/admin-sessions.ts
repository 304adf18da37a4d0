import { Hono } from "hono";
import { isSessionId } from "../domain/ids.ts";
import { renderError, type WireError } from "../protocol/wire-error.ts";
import { NOT_FOUND, readReason } from "./admin-request.ts";
import type { App, Handling } from "./http.ts";
import { sessionObject, tenantObject } from "./objects.ts";

/** The tenant's sessions: what each holds, its receipt, and its end by the operator. */
export const adminSessions = new Hono<App>()
  .get("/admin/sessions", async (c) =>
    c.json({ sessions: await tenantObject(c.env, c.var.tenant.issuer).listSessions() }),
  )
  .get("/admin/sessions/:id", async (c) => {
    const described = await inspect(c);
    if (described === undefined) return renderError(NOT_FOUND);
    const { state, setting, leases, usage } = described;
    return c.json({ ...state, labels: setting.labels, leases, usage });
  })
  .get("/admin/sessions/:id/receipt", async (c) => {
    const described = await inspect(c);
    if (described === undefined) return renderError(NOT_FOUND);
    if (described.receipt === undefined) return renderError(NO_RECEIPT_YET);
    return c.json({ receipt: described.receipt });
  })
  .post("/admin/sessions/:id/revoke", async (c) => {
    const reason = await readReason(c);
    if (!reason.ok) return renderError(reason.error);
    const id = c.req.param("id");
    const revoked = isSessionId(id)
      ? await sessionObject(c.env, c.var.tenant.issuer, id).revoke({ kind: "operator" }, reason.value)
      : "unknown_session";
    return revoked === "unknown_session" ? renderError(NOT_FOUND) : c.json({ result: revoked });
  });

async function inspect(c: Handling) {
  const id = c.req.param("id") ?? "";
  return isSessionId(id) ? await sessionObject(c.env, c.var.tenant.issuer, id).inspect() : undefined;
}

const NO_RECEIPT_YET: WireError = {
  status: 409,
  error: "not_ready",
  description: "the session has not ended, or its credentials are still being taken back; ask again shortly",
  headers: { "retry-after": "2" },
};

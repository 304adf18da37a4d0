import { Hono } from "hono";
import { adminToken } from "../crypto/admin-token.ts";
import { equalsConstantTime } from "../crypto/hash.ts";
import { renderError, type WireError } from "../protocol/wire-error.ts";
import { adminAudit } from "./admin-audit.ts";
import { adminCutOffs } from "./admin-cut-offs.ts";
import { adminKeys } from "./admin-keys.ts";
import { adminPeople } from "./admin-people.ts";
import { NOT_FOUND } from "./admin-request.ts";
import { adminServers } from "./admin-servers.ts";
import { adminSessions } from "./admin-sessions.ts";
import { adminTenant } from "./admin-tenant.ts";
import { adminUpstreams } from "./admin-upstreams.ts";
import { adminBreakGlass } from "./admin-break-glass.ts";
import type { App } from "./http.ts";

/** The operator's surface, for whoever holds this tenant's admin token. */
export const admin = new Hono<App>()
  .use("/admin/*", async (c, next) => {
    const expected = `Bearer ${adminToken(c.var.tenant.config.adminKey, c.var.tenant.issuer)}`;
    if (!equalsConstantTime(c.req.header("authorization") ?? "", expected)) return renderError(UNAUTHORIZED);
    await next();
    c.header("cache-control", "no-store");
    return undefined;
  })
  .route("/", adminTenant)
  .route("/", adminSessions)
  .route("/", adminCutOffs)
  .route("/", adminPeople)
  .route("/", adminUpstreams)
  .route("/", adminServers)
  .route("/", adminBreakGlass)
  .route("/", adminKeys)
  .route("/", adminAudit)
  .all("/admin/*", () => renderError(NOT_FOUND));

const UNAUTHORIZED: WireError = {
  status: 401,
  error: "invalid_token",
  description: "send this tenant's admin token as Authorization: Bearer; stint admin-token prints it",
  headers: { "www-authenticate": "Bearer" },
};

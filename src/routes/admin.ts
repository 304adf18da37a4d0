import { Hono } from "hono";
import { personId } from "../protocol/tenant/words.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { adminAudit } from "./admin-audit.ts";
import { adminCutOffs } from "./admin-cut-offs.ts";
import { refusalOf } from "./admin-entry.ts";
import { adminKeys } from "./admin-keys.ts";
import { adminPeople } from "./admin-people.ts";
import { NOT_FOUND } from "./admin-request.ts";
import { adminSecrets } from "./admin-secrets.ts";
import { adminServers } from "./admin-servers.ts";
import { adminSessions } from "./admin-sessions.ts";
import { adminTenant } from "./admin-tenant.ts";
import { adminUpstreams } from "./admin-upstreams.ts";
import { adminBreakGlass } from "./admin-break-glass.ts";
import type { App } from "./http.ts";

/** What addresses take in their query, and how it is written: a dry run that is misspelled must not be a wet one. */
const QUERIES: ReadonlyMap<string, RegExp> = new Map([
  ["POST /admin/tenant", /^\?dry_run=(?:true|false)$/],
  ["GET /admin/audit", /^\?after=[0-9]{1,15}$/],
]);

/** The operator's surface, for whoever holds this tenant's admin token; auditors read a part of it. */
export const admin = new Hono<App>()
  .use("/admin/*", async (c, next) => {
    const refusal = refusalOf(c);
    if (refusal !== undefined) return renderError(refusal);
    const { search } = new URL(c.req.url);
    if (search !== "" && QUERIES.get(`${c.req.method} ${c.req.path}`)?.test(search) !== true)
      return renderError(UNKNOWN_QUERY);
    await next();
    c.header("cache-control", "no-store");
    return undefined;
  })
  // Whoever left is still known by their id; what can be nobody's id names no object and no entry.
  .use("/admin/people/:id/*", async (c, next) =>
    personId.safeParse(c.req.param("id")).success ? next() : renderError(NOT_FOUND),
  )
  .route("/", adminTenant)
  .route("/", adminSessions)
  .route("/", adminCutOffs)
  .route("/", adminPeople)
  .route("/", adminUpstreams)
  .route("/", adminSecrets)
  .route("/", adminServers)
  .route("/", adminBreakGlass)
  .route("/", adminKeys)
  .route("/", adminAudit)
  .all("/admin/*", () => renderError(NOT_FOUND));

const UNKNOWN_QUERY = invalidRequest(
  "this address takes no such query: POST /admin/tenant takes dry_run=true or false, GET /admin/audit takes after and a row number",
);

import { Hono } from "hono";
import { renderError } from "../protocol/wire-error.ts";
import { describeUpstreams } from "../tenancy.ts";
import { NOT_FOUND } from "./admin-request.ts";
import type { App } from "./http.ts";
import { tenantObject } from "./objects.ts";

/** The upstreams and the connections to them. */
export const adminUpstreams = new Hono<App>()
  .get("/admin/upstreams", async (c) => {
    const { issuer, tenant } = c.var.tenant;
    const flags = await tenantObject(c.env, issuer).flaggedUpstreams();
    const upstreams = [...tenant.upstreams.values()].map(({ upstream: { id, connector, base_url } }) => ({
      id,
      connector,
      base_url,
      credential_echoed: flags.find(({ upstream }) => upstream === id) ?? null,
    }));
    return c.json({ upstreams });
  })
  .post("/admin/upstreams/:id/clear", async (c) => {
    const cleared = await tenantObject(c.env, c.var.tenant.issuer).clearUpstream(c.req.param("id"));
    return cleared ? c.json({ cleared: c.req.param("id") }) : renderError(NOT_FOUND);
  })
  .get("/admin/connections", async (c) =>
    c.json({
      upstreams: describeUpstreams(c.var.tenant),
      connections: await tenantObject(c.env, c.var.tenant.issuer).connections(),
    }),
  )
  .post("/admin/connections/:secret/retry", async (c) => {
    const secret = c.req.param("secret");
    const isRetried = await tenantObject(c.env, c.var.tenant.issuer).retryConnection(secret);
    return isRetried ? c.json({ retried: secret }) : renderError(NOT_FOUND);
  });

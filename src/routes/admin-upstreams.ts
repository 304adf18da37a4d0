import { Hono } from "hono";
import { renderError } from "../protocol/wire-error.ts";
import { NOT_FOUND } from "./admin-people.ts";
import type { App } from "./http.ts";
import { tenantObject } from "./objects.ts";

/** What an operator sees of upstreams; nothing of their credentials. */
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
  });

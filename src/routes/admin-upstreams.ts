import { Hono } from "hono";
import { readMembers } from "../protocol/body.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { describeUpstreams, storeSecret } from "../tenancy.ts";
import { NOT_FOUND } from "./admin-request.ts";
import type { App } from "./http.ts";
import { tenantObject } from "./objects.ts";

const MAX_SECRET_LENGTH = 20_000;

/** The upstreams, and what they are called with: an operator puts a credential in, and sees nothing of one. */
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
  .put("/admin/secrets/:name", async (c) => {
    const body = await readMembers(c.req.raw, ["value"]);
    if (!body.ok) return renderError(body.error);
    const name = c.req.param("name");
    const value = body.value["value"];
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(name) || name.startsWith("STINT_"))
      return renderError(invalidRequest("a secret's name is like GITHUB_APP_KEY and does not start with STINT_"));
    if (typeof value !== "string" || value === "" || value.length > MAX_SECRET_LENGTH)
      return renderError(invalidRequest("value must be a text"));
    await storeSecret(c.env, c.var.tenant.issuer, name, value);
    return c.json({ stored: name });
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

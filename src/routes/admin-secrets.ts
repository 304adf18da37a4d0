import { Hono } from "hono";
import { environmentSecret } from "../config.ts";
import { secretNames } from "../domain/secret-names.ts";
import { readMembers } from "../protocol/body.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { storeSecret } from "../tenancy.ts";
import { NOT_FOUND } from "./admin-request.ts";
import type { App } from "./http.ts";
import { tenantObject } from "./objects.ts";

const MAX_SECRET_LENGTH = 20_000;

/** The sealed store: names and where their values are. Nothing readable ever comes back out. */
export const adminSecrets = new Hono<App>()
  .get("/admin/secrets", async (c) => {
    const { issuer, tenant } = c.var.tenant;
    const sealed = await tenantObject(c.env, issuer).sealedSecrets();
    const needed = new Set(secretNames(tenant.document));
    const kept = (name: string): "sealed" | "environment" | "missing" => {
      if (sealed.includes(name)) return "sealed";
      return environmentSecret(c.env, issuer, name) === undefined ? "missing" : "environment";
    };
    const names = [...new Set([...needed, ...sealed])].toSorted();
    return c.json({ secrets: names.map((name) => ({ name, kept: kept(name), needed: needed.has(name) })) });
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
  .delete("/admin/secrets/:name", async (c) => {
    const name = c.req.param("name");
    const isRemoved = await tenantObject(c.env, c.var.tenant.issuer).removeSecret(name);
    return isRemoved ? c.json({ removed: name }) : renderError(NOT_FOUND);
  });

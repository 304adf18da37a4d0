import { Hono } from "hono";
import { signToken } from "../crypto/signing-key.ts";
import { signingKey } from "../tenancy.ts";
import { nowSeconds, type App } from "./http.ts";
import { ledgerObject } from "./objects.ts";

/** The tenant's audit log, page by page, with a signed statement of where it stands. */
export const adminAudit = new Hono<App>().get("/admin/audit", async (c) => {
  const ledger = ledgerObject(c.env, c.var.tenant.issuer);
  const [rows, head] = [await ledger.read(Number(c.req.query("after") ?? 0)), await ledger.head()];
  const claims = { iss: c.var.tenant.issuer, iat: nowSeconds(), n: head.n, chain: head.chain };
  return c.json({ rows, head, checkpoint: await signToken(signingKey(c.var.tenant, "checkpoint"), claims) });
});

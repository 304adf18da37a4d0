import { Hono } from "hono";
import { generateSigningKeys, KEY_LIVES, KEY_USES, type KeyUse, type SigningKey } from "../crypto/signing-key.ts";
import { readMembers } from "../protocol/body.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { forgetTenant, loadTenant, signingKey } from "../tenancy.ts";
import { kekState, renewTenantKeys } from "../tenant-keys.ts";
import { NOT_FOUND } from "./admin-request.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { tenantObject } from "./objects.ts";

/** Among the keys to rotate: those that seal what is kept, instead of signing. */
const DATA_KEY = "data";

/** The tenant's keys: those that sign, and the one that seals. */
export const adminKeys = new Hono<App>()
  .get("/admin/keys", async (c) => {
    const { issuer, keys, vault } = c.var.tenant;
    const kek = await kekState(c.env, issuer);
    return c.json({ keys: keys.map((key) => keyView(key, c)), data_key: { version: vault.version, kek } });
  })
  .post("/admin/keys/rotate", async (c) => {
    const body = await readMembers(c.req.raw, ["use"]);
    if (!body.ok) return renderError(body.error);
    const { use } = body.value;
    if (use !== undefined && use !== DATA_KEY && !KEY_USES.includes(use as KeyUse))
      return renderError(invalidRequest(`use is one of ${[...KEY_USES, DATA_KEY].join(", ")}`));
    const uses = KEY_USES.filter((one) => use === undefined || use === one);
    const { issuer } = c.var.tenant;
    const data_key = use === undefined || use === DATA_KEY ? await renewTenantKeys(c.env, issuer) : undefined;
    const { vault } = await loadTenant(c.env, issuer);
    const made = await Promise.all(
      uses.map((one) => generateSigningKeys(vault, issuer, [one], nowSeconds() + KEY_LIVES[one].publishSeconds)),
    );
    await tenantObject(c.env, issuer).rotateKeys(made.flat());
    forgetTenant(issuer);
    const created = made.flat().map(({ kid, use: of, signs_from }) => ({ kid, use: of, signs_from }));
    return c.json({ created, data_key });
  })
  .post("/admin/keys/:kid/retire", async (c) => {
    const { issuer, vault, keys } = c.var.tenant;
    const kid = c.req.param("kid");
    const retired = keys.find((key) => key.kid === kid);
    if (retired === undefined) return renderError(NOT_FOUND);
    const [successor] = await generateSigningKeys(vault, issuer, [retired.use], nowSeconds());
    if (!(await tenantObject(c.env, issuer).retireKey(kid, successor!))) return renderError(NOT_FOUND);
    forgetTenant(issuer);
    return c.json({ retired: kid, successor: successor!.kid });
  });

function keyView({ kid, use, signsFrom, verifyUntil }: SigningKey, c: Handling) {
  const isSigning = signingKey(c.var.tenant, use).kid === kid;
  const status = isSigning ? "signing" : signsFrom > nowSeconds() ? "published" : "verifying";
  return { kid, use, status, signs_from: signsFrom, verify_until: verifyUntil ?? null };
}

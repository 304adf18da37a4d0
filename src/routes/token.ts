import { Hono } from "hono";
import { readWholeForm, type Form } from "../protocol/body.ts";
import { GRANT_TYPES, type GrantType } from "../protocol/metadata.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { redeemHandle } from "./grants/ciba.ts";
import { redeemCode } from "./grants/code.ts";
import { exchangeToken } from "./grants/exchange.ts";
import { admitAssertedIdentity } from "./grants/identity-assertion.ts";
import { refuseRenewal, UNSUPPORTED_GRANT } from "./grants/renewal.ts";
import type { App, Handling } from "./http.ts";
import { ledgerBehind } from "./ledger-behind.ts";

/** What each grant does with a form. */
const GRANTS: Readonly<Record<GrantType, (c: Handling, form: Form) => Promise<Response>>> = {
  [GRANT_TYPES.ciba]: redeemHandle,
  [GRANT_TYPES.code]: redeemCode,
  [GRANT_TYPES.exchange]: exchangeToken,
  [GRANT_TYPES.jwtBearer]: admitAssertedIdentity,
};

/** The token endpoint: each grant a module, every other one refused by name. */
export const token = new Hono<App>().post("/oauth/token", async (c) => {
  const behind = ledgerBehind(c);
  if (behind !== undefined) return renderError(behind);
  const form = await readWholeForm(c.req.raw);
  if (!form.ok) return renderError(form.error);
  const grantType = form.value.get("grant_type");
  if (grantType === undefined) return renderError(invalidRequest("grant_type is missing"));
  if (grantType === "refresh_token") return refuseRenewal(c, form.value);
  return Object.hasOwn(GRANTS, grantType)
    ? GRANTS[grantType as GrantType](c, form.value)
    : renderError(UNSUPPORTED_GRANT);
});

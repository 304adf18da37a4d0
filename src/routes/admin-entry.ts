import { adminToken } from "../crypto/admin-token.ts";
import { readAuditorToken } from "../crypto/auditor-token.ts";
import { equalsConstantTime } from "../crypto/hash.ts";
import { admits, isForAuditors } from "../domain/auditor.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { nowSeconds, type Handling } from "./http.ts";

/** Why whoever asks may not do this at the operator's surface; undefined where they may. */
export function refusalOf(c: Handling): WireError | undefined {
  const { issuer, config, tenant, cutOffs } = c.var.tenant;
  const authorization = c.req.header("authorization") ?? "";
  if (equalsConstantTime(authorization, `Bearer ${adminToken(config.adminKey, issuer)}`)) return undefined;
  const [, token = ""] = /^Bearer (\S+)$/.exec(authorization) ?? [];
  const admission = readAuditorToken(config.adminKey, issuer, token);
  if (admission === undefined || !admits(admission, tenant.people, cutOffs, nowSeconds())) return UNAUTHORIZED;
  return isForAuditors(c.req.method, c.req.path) ? undefined : FOR_OPERATORS;
}

const UNAUTHORIZED: WireError = {
  status: 401,
  error: "invalid_token",
  description: "send this tenant's admin token as Authorization: Bearer; stint admin-token prints it",
  headers: { "www-authenticate": "Bearer" },
};
const FOR_OPERATORS: WireError = {
  status: 403,
  error: "access_denied",
  description:
    "an auditor reads the audit log, sessions, receipts, keys, the tenant document and uses of broken glass; for this the admin token is needed",
};

import { Hono } from "hono";
import { auditorToken } from "../crypto/auditor-token.ts";
import { newId } from "../crypto/random.ts";
import { signToken } from "../crypto/signing-key.ts";
import { leftUntil } from "../domain/cut-off.ts";
import { absenceFault, awayWords } from "../domain/absence.ts";
import { AUDITOR_SECONDS, MAX_AUDITOR_SECONDS } from "../domain/auditor.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { KeptPasskey } from "../durable/passkey-store.ts";
import { readAbsence } from "../protocol/absence.ts";
import { readJsonObject, readMembers } from "../protocol/body.ts";
import { INVITATION_SECONDS } from "../protocol/invitation.ts";
import { invalidRequest, renderError, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { forgetTenant, signingKey } from "../tenancy.ts";
import { NOT_FOUND } from "./admin-request.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject, tenantObject } from "./objects.ts";

/** What an admin does for people: invitations to make a passkey, taking passkeys away, unlinking accounts, letting auditors read. */
export const adminPeople = new Hono<App>()
  .post("/admin/people/:id/invite", async (c) => {
    const body = await readMembers(c.req.raw, ["at_once"]);
    if (!body.ok) return renderError(body.error);
    const { at_once: atOnce = false } = body.value;
    if (typeof atOnce !== "boolean") return renderError(invalidRequest("at_once must be true or false"));
    const { issuer, tenant } = c.var.tenant;
    const person = tenant.people.get(c.req.param("id"));
    if (person === undefined) return renderError(NOT_FOUND);
    const justLeft = leftJustNow(c, person.id);
    if (justLeft !== undefined) return renderError(justLeft);
    const jti = newId(ID_PREFIXES.invitation);
    const exp = nowSeconds() + INVITATION_SECONDS;
    const claims = {
      iss: issuer,
      aud: `${issuer}/enrol`,
      sub: person.id,
      iat: nowSeconds(),
      exp,
      jti,
      at_once: atOnce,
    };
    await personObject(c.env, issuer, person.id).invited({ issuer, person: person.id }, jti, atOnce);
    const link = `${issuer}/enrol#${await signToken(signingKey(c.var.tenant, "invitation"), claims)}`;
    return c.json({ link, expires_at: exp });
  })
  .post("/admin/people/:id/auditor-token", async (c) => {
    const body = await readMembers(c.req.raw, ["expires_in"]);
    if (!body.ok) return renderError(body.error);
    const { expires_in = AUDITOR_SECONDS } = body.value;
    if (!Number.isSafeInteger(expires_in) || Number(expires_in) < 1 || Number(expires_in) > MAX_AUDITOR_SECONDS)
      return renderError(invalidRequest(`expires_in must be from 1 to ${MAX_AUDITOR_SECONDS} seconds`));
    const { issuer, tenant, config } = c.var.tenant;
    const person = tenant.people.get(c.req.param("id"));
    if (person === undefined) return renderError(NOT_FOUND);
    if (!person.roles.includes("auditor")) return renderError(NO_AUDITOR);
    const justLeft = leftJustNow(c, person.id);
    if (justLeft !== undefined) return renderError(justLeft);
    const issued_at = nowSeconds();
    const admission = { person: person.id, issued_at, expires_at: issued_at + Number(expires_in) };
    await tenantObject(c.env, issuer).admitAuditor(admission);
    return c.json({ token: auditorToken(config.adminKey, issuer, admission), expires_at: admission.expires_at });
  })
  .put("/admin/people/:id/away", async (c) => {
    const body = await readJsonObject(c.req.raw);
    if (!body.ok) return renderError(body.error);
    const { issuer, tenant } = c.var.tenant;
    const person = tenant.people.get(c.req.param("id"));
    if (person === undefined) return renderError(NOT_FOUND);
    const absence = readAbsence(body.value, nowSeconds());
    if (!absence.ok) return renderError(absence.error);
    const fault = absenceFault(tenant.people, person.id, absence.value);
    if (fault !== undefined) return renderError(invalidRequest(fault));
    const words = awayWords(tenant.people, person.id, absence.value);
    await tenantObject(c.env, issuer).setAway(person.id, absence.value, words, "operator");
    forgetTenant(issuer);
    return c.json({ person: person.id, ...absence.value });
  })
  .delete("/admin/people/:id/away", async (c) => {
    const { issuer } = c.var.tenant;
    const person = c.req.param("id");
    const wasAway = await tenantObject(c.env, issuer).endAway(person, "operator");
    forgetTenant(issuer);
    return wasAway ? c.json({ person, back: true }) : renderError(NOT_FOUND);
  })
  .get("/admin/people/:id/passkeys", async (c) => {
    const { issuer, tenant } = c.var.tenant;
    const person = tenant.people.get(c.req.param("id"));
    if (person === undefined) return renderError(NOT_FOUND);
    const kept = await personObject(c.env, issuer, person.id).passkeys();
    return c.json({ passkeys: kept.map(passkeyView) });
  })
  .post("/admin/people/:id/passkeys/revoke", async (c) => {
    const body = await readMembers(c.req.raw, ["credential_id"]);
    if (!body.ok) return renderError(body.error);
    const { credential_id } = body.value;
    if (credential_id !== undefined && typeof credential_id !== "string")
      return renderError(invalidRequest("credential_id must be a text"));
    const { issuer } = c.var.tenant;
    // Also of somebody who left: the document need not name them any more.
    const person = c.req.param("id");
    const revoked = await personObject(c.env, issuer, person).revoke({ issuer, person }, credential_id);
    return credential_id !== undefined && revoked.length === 0 ? renderError(NOT_FOUND) : c.json({ revoked });
  })
  .get("/admin/people/:id/accounts", async (c) =>
    c.json({ accounts: await personObject(c.env, c.var.tenant.issuer, c.req.param("id")).accounts() }),
  )
  .post("/admin/people/:id/accounts/:upstream/unlink", async (c) => {
    const { issuer } = c.var.tenant;
    const person = c.req.param("id");
    const object = personObject(c.env, issuer, person);
    const wasLinked = await object.unlinkAccount({ issuer, person }, c.req.param("upstream"), "operator");
    return wasLinked ? c.json({ unlinked: c.req.param("upstream") }) : renderError(NOT_FOUND);
  });

/** A passkey without what only a verifier needs. */
function passkeyView({
  credential_id,
  transports,
  backup_eligible,
  created_at,
  usable_from,
  last_used_at,
}: KeptPasskey) {
  return { credential_id, transports, backup_eligible, created_at, usable_from, last_used_at: last_used_at ?? null };
}

/** Somebody of this id left seconds ago: what is begun now would count as begun by them. */
function leftJustNow(c: Handling, person: string): WireError | undefined {
  const left = leftUntil(c.var.tenant.cutOffs, person) - nowSeconds();
  if (left < 0) return undefined;
  return {
    ...UNAVAILABLE,
    description:
      "they left the document a moment ago, and what they are given now would have left with them; ask again",
    headers: { "retry-after": String(left + 1) },
  };
}

const NO_AUDITOR: WireError = {
  status: 403,
  error: "access_denied",
  description: 'this person is no auditor; give them "auditor" among their roles in the tenant document',
};

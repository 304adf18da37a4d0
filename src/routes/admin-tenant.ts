import { Hono } from "hono";
import { shippedCatalogue } from "../catalogues/index.ts";
import { sha256 } from "../crypto/hash.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { DocumentProblem } from "../domain/compiled-tenant.ts";
import { cutOffKey, leftUntil } from "../domain/cut-off.ts";
import { diffDocuments } from "../domain/document-diff.ts";
import { parseDuration } from "../domain/duration.ts";
import { peopleWhoLeave } from "../domain/leavers.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import { readJsonObject } from "../protocol/body.ts";
import { readTenantDocument } from "../protocol/tenant-document.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import { forgetTenant, type TenantContext } from "../tenancy.ts";
import { endSessions } from "./admin-cut-offs.ts";
import type { App } from "./http.ts";
import { tenantObject } from "./objects.ts";

/** A tenant document with hundreds of agents and their keys; a row of SQLite holds twice as much. */
const MAX_DOCUMENT_BYTES = 1_048_576;

/** The tenant's document: what is in force, and what shall be. */
export const adminTenant = new Hono<App>()
  .get("/admin/tenant", (c) => c.json({ version: c.var.tenant.configVersion, document: c.var.tenant.tenant.document }))
  .post("/admin/tenant", async (c) => {
    const body = await readJsonObject(c.req.raw, MAX_DOCUMENT_BYTES);
    if (!body.ok) return renderError(body.error);
    const { issuer, tenant, configVersion, config } = c.var.tenant;
    const setting = { issuer, shipped: shippedCatalogue, allowPrivateNetwork: config.allowPrivateNetwork };
    const read = readTenantDocument(body.value, setting);
    if (!read.ok)
      return renderError({ ...invalidRequest("the tenant document has problems"), members: { problems: read.error } });
    const { document } = read.value;
    const warnings = [
      ...read.value.warnings,
      ...warnReuse(document, c.var.tenant),
      ...warnLeavers(document, c.var.tenant),
    ];
    const changes = diffDocuments(tenant.document, document);
    if (c.req.query("dry_run") === "true") return c.json({ version: configVersion, applied: false, changes, warnings });
    const text = canonicalJson(document);
    const longest = Math.max(0, ...document.policies.map(({ max_duration }) => parseDuration(max_duration) ?? 0));
    const { version, sessions } = await tenantObject(c.env, issuer).apply(text, sha256(text), longest);
    forgetTenant(issuer);
    await endSessions(c, sessions, "its agent was taken out of the tenant's document");
    return c.json({ version, applied: version !== configVersion, changes, warnings });
  });

/** A name that was taken away from one agent and is given to another: nobody should do that unawares. */
function warnReuse({ agents }: TenantDocument, { tenant, cutOffs }: TenantContext): DocumentProblem[] {
  return agents.flatMap(({ client_id }, at) =>
    tenant.agents.has(client_id) || cutOffs[cutOffKey({ kind: "agent", id: client_id })] === undefined
      ? []
      : [
          {
            path: `/agents/${at}/client_id`,
            message: `${client_id} was an agent before; what it began then stays cut off`,
          },
        ],
  );
}

/** What ends with a person's leaving, and what does not; and that somebody of that name was here before. */
function warnLeavers({ people }: TenantDocument, { tenant, cutOffs }: TenantContext): DocumentProblem[] {
  const leave = peopleWhoLeave(tenant.document, { people }).map((id) => ({
    path: "/people",
    message: `${id} leaves: their passkeys, sign-ins, invitations and linked accounts end for good; the sessions that they approved go on until stint revoke --approver`,
  }));
  const come = people.flatMap(({ id }, at) =>
    tenant.people.has(id) || leftUntil(cutOffs, id) === 0
      ? []
      : [
          {
            path: `/people/${at}/id`,
            message: `${id} was here before and left; nothing of what they had then counts, so invite them anew`,
          },
        ],
  );
  return [...leave, ...come];
}

import { Hono } from "hono";
import { shippedCatalogue } from "../catalogues/index.ts";
import { sha256 } from "../crypto/hash.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { DocumentProblem } from "../domain/compiled-tenant.ts";
import { cutOffKey } from "../domain/cut-off.ts";
import { diffDocuments } from "../domain/document-diff.ts";
import { parseDuration } from "../domain/duration.ts";
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

/** What a person leaves behind would serve whoever is given the same id later. */
function warnLeavers({ people }: TenantDocument, { tenant }: TenantContext): DocumentProblem[] {
  const stay = new Set(people.map(({ id }) => id));
  return [...tenant.people.keys()]
    .filter((id) => !stay.has(id))
    .map((id) => ({
      path: "/people",
      message: `${id} leaves, and may decide nothing more; who leaves for good is taken away with stint revoke --approver, stint passkeys revoke and stint accounts unlink`,
    }));
}

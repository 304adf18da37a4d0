import { Hono } from "hono";
import { shippedCatalogue } from "../catalogues/index.ts";
import { sha256 } from "../crypto/hash.ts";
import {
  generateSigningKeys,
  KEY_LIVES,
  KEY_USES,
  signToken,
  type KeyUse,
  type SigningKey,
} from "../crypto/signing-key.ts";
import { canonicalJson, type Json } from "../domain/canonical-json.ts";
import { parseDuration } from "../domain/duration.ts";
import type { DocumentProblem } from "../domain/compiled-tenant.ts";
import { cutOffKey, type CutOff } from "../domain/cut-off.ts";
import { diffDocuments } from "../domain/document-diff.ts";
import { isSessionId } from "../domain/ids.ts";
import { registrationOf } from "../domain/registration.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import { readJsonObject } from "../protocol/body.ts";
import { readTenantDocument } from "../protocol/tenant-document.ts";
import { invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { describeUpstreams, forgetTenant, loadTenant, signingKey, type TenantContext } from "../tenancy.ts";
import { kekState, renewTenantKeys } from "../tenant-keys.ts";
import { refusalOf } from "./admin-entry.ts";
import { adminPeople, NOT_FOUND } from "./admin-people.ts";
import { adminSecrets } from "./admin-secrets.ts";
import { adminServers } from "./admin-servers.ts";
import { adminUpstreams } from "./admin-upstreams.ts";
import { breakGlass } from "./break-glass.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { agentObject, ledgerObject, sessionObject, tenantObject } from "./objects.ts";

const MAX_REASON_LENGTH = 200;
/** A tenant document with hundreds of agents and their keys; a row of SQLite holds twice as much. */
const MAX_DOCUMENT_BYTES = 1_048_576;
/** Among the keys to rotate: those that seal what is kept, instead of signing. */
const DATA_KEY = "data";

/** The operator's surface, for whoever holds this tenant's admin token; auditors read a part of it. */
export const admin = new Hono<App>()
  .use("/admin/*", async (c, next) => {
    const refusal = refusalOf(c);
    if (refusal !== undefined) return renderError(refusal);
    await next();
    c.header("cache-control", "no-store");
    return undefined;
  })
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
    const changes = diffDocuments(tenant.document as unknown as Json, document as unknown as Json);
    if (c.req.query("dry_run") === "true") return c.json({ version: configVersion, applied: false, changes, warnings });
    const text = canonicalJson(document);
    const longest = Math.max(0, ...document.policies.map(({ max_duration }) => parseDuration(max_duration) ?? 0));
    const { version, sessions } = await tenantObject(c.env, issuer).apply(text, sha256(text), longest);
    forgetTenant(issuer);
    await tell(c, sessions, "its agent was taken out of the tenant's document");
    return c.json({ version, applied: version !== configVersion, changes, warnings });
  })
  .get("/admin/sessions", async (c) =>
    c.json({ sessions: await tenantObject(c.env, c.var.tenant.issuer).listSessions() }),
  )
  .get("/admin/sessions/:id", async (c) => {
    const described = await inspect(c);
    if (described === undefined) return renderError(NOT_FOUND);
    const { state, setting, leases, usage } = described;
    return c.json({ ...state, labels: setting.labels, leases, usage });
  })
  .get("/admin/sessions/:id/receipt", async (c) => {
    const described = await inspect(c);
    if (described === undefined) return renderError(NOT_FOUND);
    if (described.receipt === undefined) return renderError(NO_RECEIPT_YET);
    return c.json({ receipt: described.receipt });
  })
  .post("/admin/sessions/:id/revoke", async (c) => {
    const reason = await readReason(c);
    if (typeof reason === "object") return renderError(reason.error);
    const id = c.req.param("id");
    const revoked = isSessionId(id)
      ? await sessionObject(c.env, c.var.tenant.issuer, id).revoke({ kind: "operator" }, reason)
      : "unknown_session";
    return revoked === "unknown_session" ? renderError(NOT_FOUND) : c.json({ result: revoked });
  })
  .post("/admin/agents/:id{.+}/revoke", async (c) => {
    const reason = await readReason(c);
    if (typeof reason === "object") return renderError(reason.error);
    const { tenant } = c.var.tenant;
    const clientId = c.req.param("id");
    if (registrationOf(tenant, clientId) === undefined) return renderError(NOT_FOUND);
    return c.json(await cutOff(c, { kind: "agent", id: clientId }, reason));
  })
  .post("/admin/agents/:id{.+}/reinstate", async (c) => {
    const { issuer, tenant } = c.var.tenant;
    const clientId = c.req.param("id");
    if (registrationOf(tenant, clientId) === undefined) return renderError(NOT_FOUND);
    const identity = { issuer, client_id: clientId };
    return c.json({ reinstated: await agentObject(c.env, issuer, clientId).lift(identity) });
  })
  .post("/admin/people/:id/revoke", async (c) => {
    const reason = await readReason(c);
    if (typeof reason === "object") return renderError(reason.error);
    // Also of somebody who left: the document need not name them any more.
    return c.json(await cutOff(c, { kind: "approver", id: c.req.param("id") }, reason));
  })
  .post("/admin/revoke", async (c) => {
    const reason = await readReason(c);
    if (typeof reason === "object") return renderError(reason.error);
    return c.json(await cutOff(c, { kind: "tenant" }, reason));
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
  })
  .get("/admin/keys", async (c) => {
    const { issuer, keys, vault } = c.var.tenant;
    const kek = await kekState(c.env, issuer);
    return c.json({ keys: keys.map((key) => keyView(key, c)), data_key: { version: vault.version, kek } });
  })
  .post("/admin/keys/rotate", async (c) => {
    const body = await readJsonObject(c.req.raw);
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
  })
  .get("/admin/audit", async (c) => {
    const after = Number(c.req.query("after") ?? 0);
    if (!Number.isSafeInteger(after) || after < 0) return renderError(invalidRequest("after must be a row number"));
    const ledger = ledgerObject(c.env, c.var.tenant.issuer);
    const [rows, head] = [await ledger.read(after), await ledger.head()];
    const claims = { iss: c.var.tenant.issuer, iat: nowSeconds(), n: head.n, chain: head.chain };
    return c.json({ rows, head, checkpoint: await signToken(signingKey(c.var.tenant, "checkpoint"), claims) });
  })
  .route("/", adminPeople)
  .route("/", adminUpstreams)
  .route("/", breakGlass)
  .route("/", adminServers)
  .route("/", adminSecrets)
  .all("/admin/*", () => renderError(NOT_FOUND));

function keyView({ kid, use, signsFrom, verifyUntil }: SigningKey, c: Handling) {
  const isSigning = signingKey(c.var.tenant, use).kid === kid;
  const status = isSigning ? "signing" : signsFrom > nowSeconds() ? "published" : "verifying";
  return { kid, use, status, signs_from: signsFrom, verify_until: verifyUntil ?? null };
}

/** Cuts off, and tells every session that can be reached; answers those that were ended by it. */
async function cutOff(c: Handling, whom: CutOff, reason: string | undefined) {
  const { issuer } = c.var.tenant;
  const sessions = await tenantObject(c.env, issuer).cutOff(whom, reason);
  forgetTenant(issuer);
  return { result: "revoked", sessions: await tell(c, sessions, reason ?? `${whom.kind} revoked`) };
}

/** Ends the sessions that can be reached; answers those that were ended by it. */
async function tell(c: Handling, sessions: readonly string[], reason: string): Promise<string[]> {
  const { issuer } = c.var.tenant;
  const results = await Promise.all(
    sessions.map((id) => sessionObject(c.env, issuer, id).revoke({ kind: "operator" }, reason)),
  );
  return sessions.filter((_, at) => results[at] === "revoked");
}

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

async function inspect(c: Handling) {
  const id = c.req.param("id") ?? "";
  return isSessionId(id) ? await sessionObject(c.env, c.var.tenant.issuer, id).inspect() : undefined;
}

/** The operator's reason, for the audit log and the receipt. */
async function readReason(c: Handling): Promise<string | undefined | { error: WireError }> {
  const body = await readJsonObject(c.req.raw);
  if (!body.ok) return { error: body.error };
  const { reason } = body.value;
  if (reason === undefined) return undefined;
  if (typeof reason !== "string" || reason.length > MAX_REASON_LENGTH)
    return { error: invalidRequest(`reason must be a text of at most ${MAX_REASON_LENGTH} characters`) };
  return reason;
}

const NO_RECEIPT_YET: WireError = {
  status: 409,
  error: "not_ready",
  description: "the session has not ended, or its credentials are still being taken back; ask again shortly",
  headers: { "retry-after": "2" },
};

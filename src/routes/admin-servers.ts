import { Hono } from "hono";
import { sha256 } from "../crypto/hash.ts";
import { serverPlace } from "../domain/access.ts";
import { definitionsOf, type KnownDefinitions } from "../domain/tool-definitions.ts";
import type { Proposal } from "../durable/server-pins.ts";
import { readMembers } from "../protocol/body.ts";
import { renderError } from "../protocol/wire-error.ts";
import { forgetTenant } from "../tenancy.ts";
import { NOT_FOUND } from "./admin-request.ts";
import type { App, Handling } from "./http.ts";
import { tenantObject } from "./objects.ts";

/** The registered MCP servers, and what they show that their owners have not accepted. */
export const adminServers = new Hono<App>()
  .get("/admin/servers", async (c) => {
    const { issuer, tenant, servers: counting, knownServers: known } = c.var.tenant;
    const object = tenantObject(c.env, issuer);
    const [proposals, flags] = await Promise.all([object.proposedDefinitions(), object.flaggedUpstreams()]);
    const servers = [...tenant.servers.values()].map(({ id, resource, owner, trust, definitions }) => ({
      id,
      resource,
      owner,
      trust,
      definitions,
      accepted_tools: Object.keys(definitionsOf(counting, id).accepted),
      signed: signedOf(Object.hasOwn(known, id) ? known[id] : undefined),
      credential_echoed: flags.find(({ upstream }) => upstream === serverPlace(id)) ?? null,
      difference: differenceOf(proposals.find(({ server }) => server === id)),
    }));
    return c.json({ servers });
  })
  .post("/admin/servers/:id/accept", (c) => decide(c, "accepted"))
  .post("/admin/servers/:id/dismiss", (c) => decide(c, "dismissed"));

/** The newest statement by which a server accepted its own tools. */
function signedOf(known: KnownDefinitions | undefined) {
  if (known?.signed === undefined) return null;
  const { issued_at, expires_at, key } = known.signed;
  return { issued_at, expires_at, key: sha256(key) };
}

function differenceOf(proposal: Proposal | undefined) {
  if (proposal === undefined) return null;
  const { digest, first_at, tools } = proposal;
  const read = tools.map(({ name, shown, accepted }) => ({
    name,
    shown: JSON.parse(shown) as unknown,
    accepted: accepted === undefined ? null : (JSON.parse(accepted) as unknown),
  }));
  return { digest, first_at, tools: read };
}

/** Decides the difference whose digest is named, so that nobody accepts what they have not seen. */
async function decide(c: Handling, decision: "accepted" | "dismissed"): Promise<Response> {
  const body = await readMembers(c.req.raw, ["digest"]);
  if (!body.ok) return renderError(body.error);
  const { digest } = body.value;
  const { issuer, tenant, servers } = c.var.tenant;
  const server = c.req.param("id") ?? "";
  const isDecided =
    tenant.servers.has(server) &&
    typeof digest === "string" &&
    (await tenantObject(c.env, issuer).decideDefinitions(
      server,
      digest,
      decision,
      definitionsOf(servers, server).lapsed === true,
    ));
  forgetTenant(issuer);
  return isDecided ? c.json({ server, [decision]: digest }) : renderError(NOT_FOUND);
}

import type { Target } from "../domain/exchange.ts";
import type { UnitCall } from "../domain/judged-calls.ts";
import { neverAccepted } from "../domain/server-calls.ts";
import type { Server } from "../domain/tenant.ts";
import { definitionsOf, differences, hasToProve, type ShownTool } from "../domain/tool-definitions.ts";
import { metadataAddress, readSignedDefinitions, type MetadataFault } from "../protocol/signed-metadata.ts";
import { HELD, invalidTarget } from "../protocol/token-exchange.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { forgetTenant, outboundOf } from "../tenancy.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { tenantObject } from "./objects.ts";

const MAX_METADATA_BYTES = 64 * 1024;
/** How long a server may take to show its metadata, in milliseconds. */
const DEADLINE_MS = 5000;

/** How long a server that could not prove itself is not asked again at the token endpoint, in milliseconds. */
const UNPROVED_MS = 5000;

/** When this isolate last saw each server fail to, by issuer and server. */
const unprovedAt = new Map<string, number>();

/** Why a server's own word does not do. */
type Unproved = MetadataFault | "unavailable" | "other_tools" | "older";

/**
 * Accepts what a server shows where its owner has it accepted by signature, and all of it, and every tool
 * that is called, is in the server's newest statement. It is asked for only when there is a difference.
 */
export async function acceptBySignature(
  c: Handling,
  server: Server,
  shown: readonly ShownTool[],
  calls: readonly UnitCall[],
): Promise<"accepted" | Unproved> {
  const { issuer } = c.var.tenant;
  const answered = await outboundOf(c.var.tenant).text({
    url: metadataAddress(server.resource),
    method: "GET",
    headers: { accept: "application/json" },
    deadlineMs: DEADLINE_MS,
    maxBytes: MAX_METADATA_BYTES,
  });
  if (!answered.ok || answered.value.status !== 200) return "unavailable";
  const keys = server.jwks?.keys ?? [];
  const signed = await readSignedDefinitions(answered.value.text, { ...server, issuer, keys }, nowSeconds());
  if (!signed.ok) return signed.error;
  const { tools } = signed.value;
  if (differences(shown, tools).length > 0 || neverAccepted(server, calls, tools).length > 0) return "other_tools";
  const isNewest = await tenantObject(c.env, issuer).acceptSigned(server.id, signed.value, shown);
  if (!isNewest) return "older";
  forgetTenant(issuer);
  return "accepted";
}

/**
 * Why no token is made for a server itself: it is accepted by signature, and shows none that holds. Behind the
 * gateway that is found when the server is looked at.
 */
export async function refuseUnproved(c: Handling, target: Target | undefined): Promise<WireError | undefined> {
  const { tenant, servers, issuer } = c.var.tenant;
  const server = target?.kind === "server" ? tenant.servers.get(target.id) : undefined;
  if (server === undefined || target?.audience !== server.resource) return undefined;
  if (!hasToProve(definitionsOf(servers, server.id), server)) return undefined;
  const key = `${issuer} ${server.id}`;
  const age = Date.now() - (unprovedAt.get(key) ?? -Infinity);
  if (age >= 0 && age < UNPROVED_MS) return invalidTarget(HELD);
  if ((await acceptBySignature(c, server, [], [])) === "accepted") return undefined;
  unprovedAt.set(key, Date.now());
  return invalidTarget(HELD);
}

import { err, ok, type Result } from "../domain/result.ts";
import { isJsonObject, type Json } from "../domain/canonical-json.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import { keyName, type AcceptedTools, type SignedDefinitions } from "../domain/tool-definitions.ts";
import { isPresent, isTime, verifySignedJwt } from "./client-jwt.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
/** Its own type, so that it is mistaken for no assertion of the same key, and none for it. RFC 8725 §3.11. */
const TYPE = "stint-metadata+jwt";
/** For each tool the SHA-256 of its definition's canonical JSON, as base64url. */
const DEFINITIONS_CLAIM = "urn:stint:params:oauth:metadata:tool_definitions";
/** The longest that a statement may count: a server that is given up shall not be believed for ever. */
const MAX_LIFETIME_SECONDS = 30 * 24 * 3600;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

/** Why a server's metadata prove nothing; for its owner, in the audit log. */
export type MetadataFault = "unreadable" | "other_resource" | "unsigned" | "signature" | "expired" | "no_definitions";

/** Where a protected resource publishes its metadata, RFC 9728 §3.1: the path goes behind the well-known one. */
export function metadataAddress(resource: string): string {
  const { origin, pathname, search } = new URL(resource);
  return `${origin}${WELL_KNOWN}${pathname === "/" ? "" : pathname}${search}`;
}

/**
 * Reads what a server says of its own tools out of its protected resource metadata (RFC 9728 §2.2): the
 * member `signed_metadata`, signed by a key of its registration. Of the plain members only `resource` is
 * looked at, because nobody signed them.
 *
 * @param now epoch seconds
 */
export async function readSignedDefinitions(
  text: string,
  {
    resource,
    issuer,
    keys,
  }: { readonly resource: string; readonly issuer: string; readonly keys: readonly PublicJwk[] },
  now: number,
): Promise<Result<SignedDefinitions, MetadataFault>> {
  const parsed = parseStrictJson(text);
  const document = parsed.ok ? parsed.value : undefined;
  if (!isJsonObject(document)) return err("unreadable");
  const { resource: named, signed_metadata } = document;
  // RFC 9728 §3.3: a document that is another's must not be used.
  if (named !== resource) return err("other_resource");
  if (typeof signed_metadata !== "string") return err("unsigned");
  const verified = await verifySignedJwt(signed_metadata, keys, [TYPE]);
  if (verified === undefined) return err("signature");
  const { claims, key } = verified;
  const { iss, iat, exp, authorization_servers: servers = [issuer] } = claims;
  const isForUs = Array.isArray(servers) && servers.includes(issuer);
  if (iss !== resource || claims["resource"] !== resource || !isForUs) return err("other_resource");
  if (!isTime(iat) || !isTime(exp) || !isPresent(claims, now, MAX_LIFETIME_SECONDS)) return err("expired");
  const tools = readDigests(claims[DEFINITIONS_CLAIM]);
  if (tools === undefined) return err("no_definitions");
  return ok({ tools, resource, issued_at: iat, expires_at: exp, key: keyName(key) });
}

function readDigests(value: unknown): AcceptedTools | undefined {
  if (!isJsonObject(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(isDigestOfTool) ? Object.fromEntries(entries) : undefined;
}

function isDigestOfTool(entry: [tool: string, digest: Json]): entry is [string, string] {
  return typeof entry[1] === "string" && DIGEST.test(entry[1]);
}

import type { Json } from "./domain/canonical-json.ts";
import { objectName } from "./domain/ids.ts";
import { metadataHostOf } from "./domain/registration.ts";
import type { ClientDocument } from "./domain/request.ts";
import { err, ok, type Result } from "./domain/result.ts";
import { parseStrictJson } from "./domain/strict-json.ts";
import type { ClientAuthentication, PublicJwk, PublicJwks } from "./domain/tenant.ts";
import { MAX_METADATA_BYTES, readClientMetadata } from "./protocol/client-metadata.ts";
import { readRemoteJwks } from "./protocol/jwks.ts";
import type { TenantContext } from "./tenancy.ts";

const MAX_JWKS_BYTES = 64 * 1024;

/** An OAuth client, as the tenant registered it or as its metadata document describes it. */
export interface Client {
  readonly kind: "agent" | "server";
  readonly id: string;
  readonly authentication: ClientAuthentication;
  readonly redirectUris: readonly string[];
  /** Whether it may be given tokens that are bound to no key, by servers that take them. */
  readonly mayUseBearer: boolean;
  /** Its metadata document, where that is how it is known. */
  readonly document?: ClientDocument | undefined;
  readonly keySource: KeySource;
}

/** Where a client's keys are to be had. */
export interface KeySource {
  readonly jwks?: PublicJwks | undefined;
  readonly jwks_uri?: string | undefined;
}

/** `too_many`: too many strangers' documents were asked for; try later. */
export type ClientFault = "unknown" | "too_many";

/**
 * The client of a `client_id`: a registration first, else the metadata document at that address if
 * its host is welcome. A document that cannot be had is no client, never an allowed stranger.
 */
export async function findClient(
  env: Env,
  context: TenantContext,
  clientId: string,
): Promise<Result<Client, ClientFault>> {
  const { tenant } = context;
  const agent = tenant.agents.get(clientId);
  if (agent !== undefined)
    return ok({
      kind: "agent",
      id: clientId,
      authentication: agent.token_endpoint_auth_method,
      redirectUris: agent.redirect_uris,
      mayUseBearer: !agent.dpop_bound_access_tokens,
      keySource: agent,
    });
  const server = tenant.servers.get(clientId);
  if (server !== undefined) {
    const { id } = server;
    return ok({
      kind: "server",
      id,
      authentication: "private_key_jwt",
      redirectUris: [],
      mayUseBearer: false,
      keySource: server,
    });
  }
  return findByDocument(env, context, clientId);
}

async function findByDocument(
  env: Env,
  context: TenantContext,
  clientId: string,
): Promise<Result<Client, ClientFault>> {
  const host = metadataHostOf(context.tenant, clientId);
  if (host === undefined) return err("unknown");
  const fetched = await remoteJson(env, context, clientId, MAX_METADATA_BYTES, false);
  if (!fetched.ok) return fetched;
  const metadata = fetched.value === undefined ? undefined : readClientMetadata(fetched.value, clientId);
  if (metadata?.ok !== true) {
    await tenantOf(env, context).dropRemoteDocument(clientId);
    return err("unknown");
  }
  const { name, redirect_uris, authentication, digest, jwks, jwks_uri } = metadata.value;
  return ok({
    kind: "agent",
    id: clientId,
    authentication,
    redirectUris: redirect_uris,
    mayUseBearer: !host.dpop_bound_access_tokens,
    document: { digest, name },
    keySource: { jwks, jwks_uri },
  });
}

/**
 * The keys that a client (or an identity provider) signs with; none when they cannot be had.
 *
 * @param isConfigured whether the tenant's own document names the source
 */
export async function keysOf(
  env: Env,
  context: TenantContext,
  { jwks, jwks_uri }: KeySource,
  isConfigured: boolean,
): Promise<Result<readonly PublicJwk[], ClientFault>> {
  if (jwks !== undefined) return ok(jwks.keys);
  if (jwks_uri === undefined) return ok([]);
  const fetched = await remoteJson(env, context, jwks_uri, MAX_JWKS_BYTES, isConfigured);
  if (!fetched.ok) return fetched;
  const read = readRemoteJwks(fetched.value);
  if (read !== undefined) return ok(read.keys);
  await tenantOf(env, context).dropRemoteDocument(jwks_uri);
  return ok([]);
}

async function remoteJson(
  env: Env,
  context: TenantContext,
  url: string,
  maxBytes: number,
  isConfigured: boolean,
): Promise<Result<Json | undefined, ClientFault>> {
  const fetched = await tenantOf(env, context).remoteDocument(url, maxBytes, isConfigured);
  if (!fetched.ok) return fetched.error === "too_many" ? err("too_many") : ok(undefined);
  const parsed = parseStrictJson(fetched.value);
  return ok(parsed.ok ? parsed.value : undefined);
}

function tenantOf(env: Env, { issuer }: TenantContext) {
  return env.TENANT.getByName(objectName(issuer));
}

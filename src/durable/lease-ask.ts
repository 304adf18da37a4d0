import { connectorFor } from "../connectors/index.ts";
import type { ConnectorFault, IssuedToken, Minted } from "../connectors/connector.ts";
import { signToken } from "../crypto/signing-key.ts";
import type { UpstreamAccess } from "../domain/access.ts";
import type { CompiledUpstream } from "../domain/compiled-tenant.ts";
import type { Grant } from "../domain/grant.ts";
import { objectName } from "../domain/ids.ts";
import { err, type Result } from "../domain/result.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import { outboundOf, readSecret, signingKey, type TenantContext } from "../tenancy.ts";

/** Whose credential is asked for, and with what. */
export interface MintAsk {
  readonly env: Env;
  readonly context: TenantContext;
  readonly grant: Grant;
  /** The person whom the request named, if it named one. */
  readonly user: string | undefined;
  readonly now: number;
}

/** Asks an upstream's connector for a credential with all that the session was granted there. Nothing is written down. */
export function askUpstream(
  { upstream, catalogue }: CompiledUpstream,
  { env, context, grant, user, now }: MintAsk,
): Promise<Result<Minted, ConnectorFault>> {
  const { issuer, session_id, client_id, sub, expires_at } = grant;
  const tenant = env.TENANT.getByName(objectName(context.issuer));
  return connectorFor(upstream).mint({
    upstream,
    catalogue,
    access: accessTo(upstream.id, grant),
    session: { issuer, session_id, client_id, sub, expires_at },
    outbound: outboundOf(context),
    readSecret: (name) => readSecret(env, context.issuer, name),
    signAsStint: (claims) => signToken(signingKey(context, "upstream_token"), claims),
    draw: (source, scope) => draw(env, source, scope, grant, user),
    refresh: (source, scope) => tenant.refreshAccess(source, scope).catch(() => err({ kind: "answer_lost" })),
    now,
  });
}

/** By the account of the person whom the request named, and nobody else's: an agent's own id is no person. */
async function draw(
  env: Env,
  upstream: LinkedUpstream,
  scope: string,
  { issuer, session_id, expires_at }: Grant,
  user: string | undefined,
): Promise<Result<IssuedToken, ConnectorFault>> {
  if (user === undefined) return err({ kind: "not_linked" });
  const person = env.PERSON.getByName(objectName(issuer, user));
  return person
    .drawFromAccount({ identity: { issuer, person: user }, upstream, scope, session: { session_id, expires_at } })
    .catch(() => err({ kind: "answer_lost" }));
}

/** All that the session was granted at this upstream: one credential serves the whole session. */
function accessTo(upstream: string, grant: Grant): UpstreamAccess[] {
  return grant.authorization_details.filter(
    (detail): detail is UpstreamAccess => detail.type === "upstream_access" && detail.upstream === upstream,
  );
}

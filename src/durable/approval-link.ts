import { sha256 } from "../crypto/hash.ts";
import { signToken } from "../crypto/signing-key.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import type { SessionState } from "../domain/session.ts";
import { signingKey, type TenantContext } from "../tenancy.ts";

/** Signs the token of one person's link to one session. The same link every time: what it decides is decided once. */
export function signApprovalLink(tenant: TenantContext, state: SessionState, person: string): Promise<string> {
  const { request, request_digest, request_expires_at } = state;
  return signToken(signingKey(tenant, "approval_link"), {
    iss: request.issuer,
    aud: `${request.issuer}/approve`,
    sub: person,
    sid: request.session_id,
    request_digest,
    iat: request.requested_at,
    exp: request_expires_at,
    jti: ID_PREFIXES.link + sha256(`${request.session_id} ${person}`),
  });
}

/** One person's own link to a request. It is signed whenever it is needed, and is stored nowhere. */
export async function approvalLink(tenant: TenantContext, state: SessionState, person: string): Promise<string> {
  return `${state.request.issuer}/approve#${await signApprovalLink(tenant, state, person)}`;
}

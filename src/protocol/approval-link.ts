import { verifyOwnToken } from "../crypto/signing-key.ts";
import { isSessionId } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { TenantContext } from "../tenancy.ts";

/** What a signed approval link says: to whom Stint wrote it, about which request. */
export interface ApprovalLink {
  readonly session_id: string;
  readonly person: string;
  readonly request_digest: string;
  readonly jti: string;
  /** When the request was made, epoch seconds. */
  readonly issued_at: number;
  /** Whether the time to decide is over. The link still lets its person watch the session, and end it. */
  readonly expired: boolean;
}

/**
 * Reads an approval link's token. It proves that Stint wrote it to that person, not that the person
 * opened it: the assurance `link`, and no more.
 */
export async function verifyApprovalLink(
  token: string,
  context: TenantContext,
  now: number,
): Promise<Result<ApprovalLink, "invalid_link">> {
  const claims = await verifyOwnToken(token, "approval_link", context.keys, now);
  if (claims === undefined || claims["iss"] !== context.issuer || claims["aud"] !== `${context.issuer}/approve`)
    return err("invalid_link");
  const { sid, sub, request_digest, jti, iat, exp } = claims;
  if (![sid, sub, request_digest, jti].every((text) => typeof text === "string") || !isSessionId(sid as string))
    return err("invalid_link");
  if (typeof iat !== "number" || typeof exp !== "number") return err("invalid_link");
  return ok({
    session_id: sid as string,
    person: sub as string,
    request_digest: request_digest as string,
    jti: jti as string,
    issued_at: iat,
    expired: exp <= now,
  });
}

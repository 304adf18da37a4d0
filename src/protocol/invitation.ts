import { leftUntil } from "../domain/cut-off.ts";
import { verifyOwnToken } from "../crypto/signing-key.ts";
import type { TenantContext } from "../tenancy.ts";

/** How long an invitation waits, in seconds. */
export const INVITATION_SECONDS = 3 * 86_400;

/** An admin's leave for one person to make one passkey. */
export interface Invitation {
  readonly person: string;
  readonly jti: string;
  /** Whether the passkey may decide from the first moment, though it is not the first. */
  readonly at_once: boolean;
  /** Epoch seconds. */
  readonly expires_at: number;
}

/** Reads an invitation's token. Whether it was used, only the person's object knows. */
export async function verifyInvitation(
  token: string,
  context: TenantContext,
  now: number,
): Promise<Invitation | undefined> {
  const claims = await verifyOwnToken(token, "invitation", context.keys, now);
  if (claims === undefined || claims["iss"] !== context.issuer || claims["aud"] !== `${context.issuer}/enrol`)
    return undefined;
  const { sub, jti, iat, exp, at_once } = claims;
  if (typeof sub !== "string" || typeof jti !== "string" || typeof exp !== "number" || exp <= now) return undefined;
  // An invitation from before they left is not for whoever has their id now.
  if (typeof iat !== "number" || iat <= leftUntil(context.cutOffs, sub)) return undefined;
  return { person: sub, jti, at_once: at_once === true, expires_at: exp };
}

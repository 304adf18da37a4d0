import { err, ok, type Result } from "../domain/result.ts";
import type { ConnectorFault, IssuedToken, Minted } from "./connector.ts";
import { readScope } from "./scopes.ts";

export interface Issue {
  /** The scopes that were asked for; undefined where nobody could say which. */
  readonly asked: readonly string[] | undefined;
  /** Whether this one token can be taken back (RFC 7009). */
  readonly revocable: boolean;
  /** Epoch seconds. */
  readonly now: number;
}

/** A bearer token as a credential, unless it holds more than was asked: an upstream that ignores the narrowing must not go unnoticed. */
export function mintedToken(
  { access_token, expires_in, scope }: IssuedToken,
  { asked, revocable, now }: Issue,
): Result<Minted, ConnectorFault> {
  // RFC 6749 §5.1: an answer that does not name the scope gave what was asked.
  const given = scope === undefined ? asked : readScope(scope);
  const endsWithout = expires_in === undefined ? "irrevocable" : "expires";
  const minted: Minted = {
    credential: { kind: "header", header: "authorization", value: `Bearer ${access_token}` },
    handle: revocable ? access_token : "",
    ends: revocable ? "revocable" : endsWithout,
    expiresAt: expires_in === undefined ? undefined : now + Math.floor(expires_in),
    scopes: given,
  };
  const isWider = asked !== undefined && (given ?? []).some((word) => !asked.includes(word));
  return isWider ? err({ kind: "too_wide", minted }) : ok(minted);
}

import { sha256 } from "../crypto/hash.ts";
import type { JsonObject } from "../domain/canonical-json.ts";
import { verifyOwnToken } from "../crypto/signing-key.ts";
import type { AccessDetail } from "../domain/access.ts";
import { isSessionId } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { TenantContext } from "../tenancy.ts";
import { grantedDetailsSchema } from "./authorization-details.ts";

/** Verified tokens remembered per isolate. */
const MAX_REMEMBERED = 5000;

/** An access token of ours (RFC 9068) that is genuine and in time. Whether its session lives, only the session knows. */
export interface AccessToken {
  /** SHA-256 of the token itself, base64url: what a proof that comes with it names as `ath`. */
  readonly hash: string;
  readonly session_id: string;
  readonly jti: string;
  /** Thumbprint of the key it is bound to; absent for a bearer token, which no resource of Stint's own takes. */
  readonly jkt?: string | undefined;
  readonly audience: string;
  /** The client that obtained it: the agent, or the server that exchanged. */
  readonly client_id: string;
  /** The agent whose session it belongs to. */
  readonly agent: string;
  readonly sub: string;
  /** Epoch seconds. */
  readonly expires_at: number;
  readonly issued_at: number;
  readonly grant_digest: string;
  readonly authorization_details: readonly AccessDetail[];
  /** The server that acts, where the token came from a server's exchange. */
  readonly actor?: string | undefined;
}

type Claimed = Omit<AccessToken, "hash">;

/** The claims of an access token to be signed. */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  readonly sid: string;
  readonly cnf?: { readonly jkt: string };
  readonly authorization_details: readonly AccessDetail[];
  readonly grant_digest: string;
  /** In a token that a server obtained: that server (RFC 8693 §4.1), and the agent for which it acts. */
  readonly act?: { readonly sub: string };
  readonly agent?: string;
}

const remembered = new Map<string, AccessToken>();

/** Verifies an access token, once: a token seen before is recognised by its digest until it expires. */
export async function verifyAccessToken(
  token: string,
  context: TenantContext,
  now: number,
): Promise<Result<AccessToken, "invalid_token">> {
  const hash = sha256(token);
  const digest = `${hash} ${context.issuer} ${context.keys.map((key) => key.kid).join(" ")}`;
  const known = remembered.get(digest);
  const claimed = known === undefined ? await verify(token, context, now) : undefined;
  const access = known ?? (claimed && { ...claimed, hash });
  if (access === undefined || access.expires_at <= now) {
    remembered.delete(digest);
    return err("invalid_token");
  }
  if (known === undefined) remember(digest, access);
  return ok(access);
}

/** Whether this is the session token itself, whose audience is the issuer. */
export function isSessionToken(token: AccessToken, issuer: string): boolean {
  return token.audience === issuer;
}

function remember(digest: string, access: AccessToken): void {
  if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
  remembered.set(digest, access);
}

async function verify(token: string, context: TenantContext, now: number): Promise<Claimed | undefined> {
  const claims = await verifyOwnToken(token, "access_token", context.keys, now);
  return claims === undefined || claims["iss"] !== context.issuer ? undefined : readClaims(claims);
}

/** Our own signature is on it, but a key that signs is not yet a reader that trusts. */
function readClaims(claims: JsonObject): Claimed | undefined {
  const { sid, jti, aud, client_id, sub, exp, iat, grant_digest, act } = claims;
  const { cnf } = claims;
  const jkt = (cnf as JsonObject | undefined)?.["jkt"];
  const details = grantedDetailsSchema.safeParse(claims["authorization_details"]);
  const texts = [sid, jti, ...(cnf === undefined ? [] : [jkt]), aud, client_id, sub, grant_digest];
  if (!texts.every((text) => typeof text === "string") || typeof exp !== "number" || typeof iat !== "number")
    return undefined;
  if (!isSessionId(sid as string) || !details.success) return undefined;
  const actor = (act as JsonObject | undefined)?.["sub"];
  return {
    session_id: sid as string,
    jti: jti as string,
    ...(cnf === undefined ? {} : { jkt: jkt as string }),
    audience: aud as string,
    client_id: client_id as string,
    agent: typeof claims["agent"] === "string" ? claims["agent"] : (client_id as string),
    sub: sub as string,
    expires_at: exp,
    issued_at: iat,
    grant_digest: grant_digest as string,
    authorization_details: details.data,
    ...(typeof actor === "string" ? { actor } : {}),
  };
}

/** `Authorization: DPoP <token>`, RFC 9449 §7.1. Any other scheme is no authorization here. */
export function readAuthorization(header: string | null): string | undefined {
  return /^DPoP ([A-Za-z0-9._-]+)$/i.exec(header ?? "")?.[1];
}

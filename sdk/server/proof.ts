import { base64url, calculateJwkThumbprint, EmbeddedJWK, jwtVerify, type JWTPayload } from "jose";
import { sha256 } from "../shared/digest.ts";

/** What Stint itself takes. */
export const SIGNING_ALGORITHMS = ["ES256", "PS256", "EdDSA"];
/** How far `iat` may lie from our clock either way, in seconds. */
const TOLERANCE_SECONDS = 60;
const MAX_JTI_LENGTH = 128;
const MAX_PROOF_LENGTH = 8192;

/** A proof that holds, except that nobody has yet asked whether it is new. */
export interface Proof {
  readonly jkt: string;
  readonly nonce: unknown;
  readonly oneTime: { readonly key: string; readonly rememberUntil: number };
}

export interface ProofExpectation {
  readonly method: string;
  /** As the configuration knows it: no header of a request says where it was sent. */
  readonly url: string;
  readonly accessToken: string;
  /** Epoch seconds. */
  readonly now: number;
}

/**
 * Checks a DPoP proof in the order of RFC 9449 §4.3.
 *
 * @param header two `DPoP` headers arrive joined by a comma, and so are no JWT
 * @returns undefined when it does not hold
 */
export async function verifyProof(header: string, expected: ProofExpectation): Promise<Proof | undefined> {
  if (header.length > MAX_PROOF_LENGTH || !isCompact(header)) return undefined;
  const verified = await jwtVerify(header, EmbeddedJWK, {
    typ: "dpop+jwt",
    algorithms: SIGNING_ALGORITHMS,
    currentDate: new Date(expected.now * 1000),
  }).catch(() => undefined);
  if (verified === undefined) return undefined;
  const { jti, htm, htu, iat, ath, nonce } = verified.payload as JWTPayload & Record<string, unknown>;
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) return undefined;
  if (htm !== expected.method || !isSameUrl(htu, expected.url)) return undefined;
  if (!Number.isSafeInteger(iat) || Math.abs(iat! - expected.now) > TOLERANCE_SECONDS) return undefined;
  if (ath !== (await sha256(expected.accessToken))) return undefined;
  const jkt = await calculateJwkThumbprint(verified.protectedHeader.jwk ?? {});
  return { jkt, nonce, oneTime: { key: `${jkt}:${jti}`, rememberUntil: iat! + TOLERANCE_SECONDS } };
}

/** RFC 7515 §7.1: three parts, each as it is encoded and in no other way that some decoders take. */
function isCompact(jws: string): boolean {
  const parts = jws.split(".");
  return parts.length === 3 && parts.every((part) => part !== "" && isCanonical(part));
}

function isCanonical(part: string): boolean {
  try {
    return base64url.encode(base64url.decode(part)) === part;
  } catch {
    return false;
  }
}

/** RFC 9449 §4.3: query and fragment left aside. */
function isSameUrl(htu: unknown, expected: string): boolean {
  if (typeof htu !== "string" || !URL.canParse(htu)) return false;
  const claimed = new URL(htu);
  return claimed.username === "" && claimed.password === "" && claimed.origin + claimed.pathname === expected;
}

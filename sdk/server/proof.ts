import { base64url, calculateJwkThumbprint, EmbeddedJWK, jwtVerify, type JWTPayload } from "jose";
import { sha256 } from "../shared/digest.ts";

/** What Stint itself takes. */
export const SIGNING_ALGORITHMS = ["ES256", "PS256", "EdDSA"];
/** How far `iat` may lie from our clock either way, in seconds. */
const TOLERANCE_SECONDS = 60;
const MAX_JTI_LENGTH = 128;
const MAX_PROOF_LENGTH = 8192;
/** RFC 3986, with an authority that names no user. A URL parser mends what is none: spaces, backslashes, `http:////`. */
const HTTP_URI = /^https?:\/\/[\w.~:[\]-]+(?:[/?#][\w\-.~:/?#[\]@!$&'()*+,;=%]*)?$/i;
const INVALID = "invalid_dpop_proof";

/** A proof that holds, except that nobody has yet asked whether it is new. */
export interface Proof {
  readonly jkt: string;
  readonly oneTime: { readonly key: string; readonly rememberUntil: number };
}

export interface ProofExpectation {
  readonly method: string;
  /** As the configuration knows it: no header of a request says where it was sent. */
  readonly url: string;
  readonly accessToken: string;
  /** Epoch seconds. */
  readonly now: number;
  /** Whether a nonce is one of ours; left out where none is demanded. */
  readonly isGoodNonce?: ((nonce: unknown) => Promise<boolean>) | undefined;
}

export type ProofFault = "invalid_dpop_proof" | "use_dpop_nonce";

/**
 * Checks a DPoP proof in the order of RFC 9449 §4.3.
 *
 * @param header two `DPoP` headers arrive joined by a comma, and so are no JWT
 * @returns what is wrong when it does not hold; a nonce is told of first, for clients whose clock is off
 */
export async function verifyProof(header: string, expected: ProofExpectation): Promise<Proof | ProofFault> {
  if (header.length > MAX_PROOF_LENGTH || !isCompact(header)) return INVALID;
  const verified = await jwtVerify(header, EmbeddedJWK, {
    typ: "dpop+jwt",
    algorithms: SIGNING_ALGORITHMS,
    currentDate: new Date(expected.now * 1000),
  }).catch(() => undefined);
  if (verified === undefined) return INVALID;
  const { jti, htm, htu, iat, ath, nonce } = verified.payload as JWTPayload & Record<string, unknown>;
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) return INVALID;
  if (htm !== expected.method || !isSameUrl(htu, expected.url)) return INVALID;
  if ((await expected.isGoodNonce?.(nonce)) === false) return "use_dpop_nonce";
  if (!Number.isSafeInteger(iat) || Math.abs(iat! - expected.now) > TOLERANCE_SECONDS) return INVALID;
  if (ath !== (await sha256(expected.accessToken))) return INVALID;
  const jkt = await calculateJwkThumbprint(verified.protectedHeader.jwk ?? {});
  return { jkt, oneTime: { key: `${jkt}:${jti}`, rememberUntil: iat! + TOLERANCE_SECONDS } };
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
  if (typeof htu !== "string" || !HTTP_URI.test(htu) || !URL.canParse(htu)) return false;
  const claimed = new URL(htu);
  return claimed.origin + claimed.pathname === expected;
}

import { isSignedBy, readJws, SIGNING_ALGORITHMS } from "../crypto/jws.ts";
import { importPublicKey } from "../crypto/public-key.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { isTime } from "./client-jwt.ts";
import type { WireError } from "./wire-error.ts";

/** How far `iat` may lie from our clock either way, in seconds. A nonce, not a wide window, helps skewed clocks. */
const TOLERANCE_SECONDS = 60;
const MAX_JTI_LENGTH = 128;
/** RFC 3986, with an authority that names no user. A URL parser mends what is none: spaces, backslashes, `http:////`. */
const HTTP_URI = /^https?:\/\/[\w.~:[\]-]+(?:[/?#][\w\-.~:/?#[\]@!$&'()*+,;=%]*)?$/i;

/** A proof of possession that holds, except that nobody has yet checked whether it was used before. */
export interface Proof {
  readonly jkt: string;
  /** For the object that owns replay: see `OneTime` there. */
  readonly oneTime: { readonly key: string; readonly rememberUntil: number };
}

export interface ProofExpectation {
  readonly method: string;
  /** The endpoint as the configuration knows it, never as the request names it. */
  readonly url: string;
  /** Epoch seconds. */
  readonly now: number;
  /** Nonces that are good now; one is always demanded. */
  readonly nonces: readonly string[];
  /** SHA-256 of the access token that comes with the proof, base64url, at a protected resource. */
  readonly ath?: string | undefined;
}

export type ProofFault = "missing" | "invalid" | "use_dpop_nonce";

/**
 * Checks a DPoP proof in the order of RFC 9449 §4.3. The last check there, that its `jti` is new, is
 * the owning object's: only it can tell for all isolates at once.
 *
 * @param header the `DPoP` header; two headers arrive joined by a comma and so are no JWT
 */
export async function verifyProof(
  header: string | null,
  expected: ProofExpectation,
): Promise<Result<Proof, ProofFault>> {
  if (header === null) return err("missing");
  const read = readJws(header, true);
  if (!read.ok) return err("invalid");
  const { typ, alg, jwk, claims } = read.value;
  const { jti, htm, htu, iat, nonce, ath, exp, nbf } = claims;
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) return err("invalid");
  if (typeof htm !== "string" || typeof htu !== "string" || typeof iat !== "number") return err("invalid");
  if (typ !== "dpop+jwt" || jwk === undefined) return err("invalid");
  const key = await importPublicKey(jwk, alg);
  if (!key.ok || !(await isSignedBy(read.value, key.value.key))) return err("invalid");
  if (htm !== expected.method || !isSameUrl(htu, expected.url)) return err("invalid");
  if (typeof nonce !== "string" || !expected.nonces.includes(nonce)) return err("use_dpop_nonce");
  if (!Number.isSafeInteger(iat) || Math.abs(iat - expected.now) > TOLERANCE_SECONDS) return err("invalid");
  // Nobody has to say when a proof ends or begins; who does means what RFC 7519 §4.1 says.
  if (exp !== undefined && !(isTime(exp) && exp > expected.now)) return err("invalid");
  if (nbf !== undefined && !(isTime(nbf) && nbf <= expected.now + TOLERANCE_SECONDS)) return err("invalid");
  if (expected.ath !== undefined && ath !== expected.ath) return err("invalid");
  const { jkt } = key.value;
  return ok({ jkt, oneTime: { key: `dpop:${jkt}:${jti}`, rememberUntil: iat + TOLERANCE_SECONDS } });
}

/** RFC 9449 §4.3: equal after the normalisation of RFC 3986 §6.2.2 and .3, query and fragment left aside. */
function isSameUrl(htu: string, expected: string): boolean {
  if (htu === expected) return true;
  if (!HTTP_URI.test(htu) || !URL.canParse(htu)) return false;
  const claimed = new URL(htu);
  return `${claimed.origin}${claimed.pathname}` === expected;
}

/** A proof fault at the authorization server, RFC 9449 §5 and §8. */
export function proofErrorAtServer(fault: ProofFault, nonce: string): WireError {
  const headers = { "dpop-nonce": nonce };
  switch (fault) {
    case "use_dpop_nonce":
      return {
        status: 400,
        error: "use_dpop_nonce",
        description: "sign the proof again with the nonce of the DPoP-Nonce header",
        headers,
      };
    case "missing":
      return {
        status: 400,
        error: "invalid_dpop_proof",
        description: "send one DPoP proof in the DPoP header",
        headers,
      };
    case "invalid":
      return { status: 400, error: "invalid_dpop_proof", description: "the DPoP proof does not hold", headers };
  }
}

/** What a protected resource tells a client that it turns away. */
export interface Challenge {
  readonly nonce: string;
  /** Where the resource says who issues tokens for it, RFC 9728 §5.1. */
  readonly resourceMetadata: string;
  /** What a client should ask for to be let in, RFC 6750 §3. */
  readonly scope?: string | undefined;
}

/** A proof fault at a protected resource, RFC 9449 §7.1 and §9. */
export function proofErrorAtResource(fault: ProofFault, challenge: Challenge): WireError {
  const error = fault === "use_dpop_nonce" ? "use_dpop_nonce" : "invalid_dpop_proof";
  return challenged(error, proofErrorAtServer(fault, challenge.nonce).description, challenge);
}

/** A protected resource's refusal of a token, RFC 6750 §3 with the DPoP scheme. */
export function tokenError(description: string, challenge: Challenge): WireError {
  return challenged("invalid_token", description, challenge);
}

/** A token that does not reach: all that the request needs in one challenge, RFC 6750 §3.1 and RFC 9728 §5.1. */
export function scopeError(description: string, challenge: Challenge): WireError {
  return challenged("insufficient_scope", description, challenge, 403);
}

function challenged(
  error: string,
  description: string,
  { nonce, resourceMetadata, scope }: Challenge,
  status: 401 | 403 = 401,
): WireError {
  const parameters = {
    error,
    error_description: description,
    ...(scope === undefined ? {} : { scope }),
    algs: SIGNING_ALGORITHMS.join(" "),
    resource_metadata: resourceMetadata,
  };
  const listed = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return {
    status,
    error,
    description,
    headers: { "dpop-nonce": nonce, "www-authenticate": `DPoP ${listed.join(", ")}` },
  };
}

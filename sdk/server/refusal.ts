import { SIGNING_ALGORITHMS } from "./proof.ts";

/** Why a request is turned away. */
export type Refusal =
  | { readonly reason: "no_token" }
  | { readonly reason: "invalid_token"; readonly description: string }
  | { readonly reason: "invalid_dpop_proof" | "use_dpop_nonce" }
  | { readonly reason: "token_in_query" | "malformed" | "too_large"; readonly description: string }
  | { readonly reason: "foreign_origin" | "no_such_tool" | "method_not_allowed"; readonly description: string }
  | { readonly reason: "insufficient_scope"; readonly scope: string }
  | { readonly reason: "unavailable" };

/** What every challenge tells (RFC 9728 §5.1, RFC 6750 §3). */
export interface ChallengeTerms {
  readonly resourceMetadata: string;
  /** The units to ask for when nothing is known of the request. */
  readonly scope: string;
  readonly allowBearer: boolean;
}

/** Turns a refusal into the answer that standard clients understand. */
export function renderRefusal(refusal: Refusal, terms: ChallengeTerms): Response {
  switch (refusal.reason) {
    case "no_token":
      return challenged(401, undefined, "send an access token of Stint's for this server", terms);
    case "invalid_token":
      return challenged(401, "invalid_token", refusal.description, terms);
    case "invalid_dpop_proof":
      return challenged(401, "invalid_dpop_proof", "send one DPoP proof that holds for this request", terms);
    case "use_dpop_nonce":
      return challenged(401, "use_dpop_nonce", "sign the proof again with the nonce of the DPoP-Nonce header", terms);
    case "insufficient_scope": {
      const description = "the session was not granted this; ask for a new one with this scope";
      return challenged(403, "insufficient_scope", description, { ...terms, scope: refusal.scope });
    }
    case "token_in_query":
    case "malformed":
      return plain(400, "invalid_request", refusal.description);
    case "too_large":
      return plain(413, "invalid_request", refusal.description);
    case "foreign_origin":
    case "no_such_tool":
    case "method_not_allowed":
      return plain(403, "access_denied", refusal.description);
    case "unavailable":
      return plain(503, "temporarily_unavailable", "nobody can tell now whether the token and its proof are good", {
        "retry-after": "1",
      });
  }
}

function challenged(status: number, error: string | undefined, description: string, terms: ChallengeTerms): Response {
  const shared = [
    ...(error === undefined ? [] : [`error="${error}"`, `error_description="${description}"`]),
    `resource_metadata="${terms.resourceMetadata}"`,
    ...(terms.scope === "" ? [] : [`scope="${terms.scope}"`]),
  ].join(", ");
  const dpop = `DPoP algs="${SIGNING_ALGORITHMS.join(" ")}", ${shared}`;
  // First, because older clients look at the first challenge alone.
  const authenticate = terms.allowBearer ? `Bearer ${shared}, ${dpop}` : dpop;
  return plain(status, error ?? "invalid_token", description, { "www-authenticate": authenticate });
}

function plain(status: number, error: string, description: string, headers: Record<string, string> = {}): Response {
  const body = { error, error_description: description };
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}

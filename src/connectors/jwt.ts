import { newOwnProofKey } from "../crypto/own-proof.ts";
import { newId } from "../crypto/random.ts";
import { ok } from "../domain/result.ts";
import type { JwtUpstream } from "../domain/upstream.ts";
import type { Connector } from "./connector.ts";
import { operationsOf, scopesOf } from "./scopes.ts";

/** Short, because nobody can take it back. */
const LIFETIME_SECONDS = 300;

/**
 * An upstream that trusts Stint's issuer: a token of its own for each session (RFC 9068), with exactly
 * what was granted, and bound to a key that Stint makes for it and proves at each call (RFC 9449), so
 * that a token which leaks there is worth nothing; a bearer token where the upstream cannot check that.
 */
export const jwt: Connector<JwtUpstream> = {
  async mint({ upstream, catalogue, access, session, now, signAsStint }) {
    const key = upstream.dpop_bound_access_tokens ? await newOwnProofKey() : undefined;
    const exp = Math.min(now + LIFETIME_SECONDS, session.expires_at);
    const scopes = scopesOf(operationsOf(access, catalogue)) ?? [];
    const token = await signAsStint({
      iss: session.issuer,
      aud: upstream.audience ?? upstream.base_url,
      sub: session.sub,
      client_id: session.client_id,
      session_id: session.session_id,
      iat: now,
      exp,
      jti: newId("tok_"),
      ...(key === undefined ? {} : { cnf: { jkt: key.jkt } }),
      authorization_details: access,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    });
    return ok({
      credential:
        key === undefined
          ? { kind: "header", header: "authorization", value: `Bearer ${token}` }
          : { kind: "dpop", token, privateJwk: key.privateJwk },
      handle: "",
      ends: "expires",
      expiresAt: exp,
    });
  },

  async revoke() {
    return ok("revoked");
  },

  // The token names each operation and place, and the upstream that reads it has agreed to.
  narrowing: () => "upstream",

  describe: () => ({ credential: "per_session", orphans: "none", ends: "expires" }),
};

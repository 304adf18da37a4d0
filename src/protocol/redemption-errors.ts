import type { RedeemFault } from "../domain/session.ts";
import { proofErrorAtServer } from "./dpop.ts";
import { invalidTarget, NOT_COUNTED } from "./token-exchange.ts";
import { UNAVAILABLE, type WireError } from "./wire-error.ts";

export type PollFault =
  | RedeemFault
  | "unknown_session"
  | "slow_down"
  | "wrong_key"
  | "replayed"
  | "stale"
  | "overloaded";

export type CodeFault = Exclude<PollFault, "slow_down"> | "invalid_target" | "not_counted";

/** What a poll is told, CIBA Core §11. */
export function pollError(fault: PollFault): WireError {
  switch (fault) {
    case "pending":
      return {
        status: 400,
        error: "authorization_pending",
        description: "no human has decided yet; ask again after the interval",
      };
    case "slow_down":
      return {
        status: 400,
        error: "slow_down",
        description: "asked too soon; the interval is now longer by 5 seconds",
      };
    case "denied":
      return { status: 400, error: "access_denied", description: "the request was refused" };
    case "expired":
      return {
        status: 400,
        error: "expired_token",
        description: "the request or its session has expired; open a new session, which a human must approve",
      };
    case "already_redeemed":
    case "ended":
    case "unknown_session":
      return {
        status: 400,
        error: "invalid_grant",
        description:
          "this auth_req_id is unknown, not this client's, or used; open a new session, which a human must approve",
      };
    case "wrong_key":
      return {
        status: 400,
        error: "invalid_dpop_proof",
        description: "the proof is by another key than the one that asked for the session",
      };
    case "replayed":
    case "stale":
      return { status: 400, error: "invalid_dpop_proof", description: "the DPoP proof was used before or is too old" };
    case "overloaded":
      return UNAVAILABLE;
  }
}

/** What a client is told whose code does not hold, RFC 6749 §5.2: one answer, whatever was wrong with it. */
export function codeError(fault: CodeFault, nonce: string): WireError {
  switch (fault) {
    case "pending":
    case "denied":
    case "expired":
    case "already_redeemed":
    case "ended":
    case "unknown_session":
    case "wrong_key":
      return {
        status: 400,
        error: "invalid_grant",
        description:
          "the code is unknown, used, older than a minute, or was issued to another client, key, redirect_uri or code_challenge; authorize again",
      };
    case "invalid_target":
      return invalidTarget("nothing was granted for that resource, or the trust policy no longer allows it");
    case "not_counted":
      return NOT_COUNTED;
    case "replayed":
    case "stale":
      return proofErrorAtServer("invalid", nonce);
    case "overloaded":
      return UNAVAILABLE;
  }
}

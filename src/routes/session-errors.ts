import type { UseFault } from "../durable/session-commands.ts";
import { proofErrorAtResource, tokenError, type Challenge } from "../protocol/dpop.ts";
import { UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";

/** What a session's refusal of a token looks like at a protected resource. */
export function useErrorAtResource(fault: UseFault, challenge: Challenge): WireError {
  switch (fault) {
    case "unknown_session":
    case "ended":
    case "not_redeemed":
    case "token_revoked":
      return tokenError("the session has ended; to go on, open a new session, which a human must approve", challenge);
    case "replayed":
    case "stale":
      return proofErrorAtResource("invalid", challenge);
    case "overloaded":
      return UNAVAILABLE;
  }
}

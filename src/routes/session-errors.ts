import type { UseFault } from "../durable/session-commands.ts";
import { proofErrorAtResource } from "../protocol/dpop.ts";
import { UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { tokenError } from "./proof.ts";

/** What a session's refusal of a token looks like at a protected resource. */
export function useErrorAtResource(fault: UseFault, nonce: string): WireError {
  switch (fault) {
    case "unknown_session":
    case "ended":
    case "not_redeemed":
    case "token_revoked":
      return tokenError("the session has ended; to go on, open a new session, which a human must approve", nonce);
    case "replayed":
    case "stale":
      return proofErrorAtResource("invalid", nonce);
    case "overloaded":
      return UNAVAILABLE;
  }
}

import type { HandingOutFault } from "../../durable/handing-out.ts";
import { proofErrorAtServer } from "../../protocol/dpop.ts";
import { exchangeError, invalidTarget, SUBJECT_INVALID } from "../../protocol/token-exchange.ts";
import { invalidRequest, UNAVAILABLE, type WireError } from "../../protocol/wire-error.ts";
import type { Handling } from "../http.ts";
import { freshNonce } from "../proof.ts";

/** What whoever exchanges is told when nothing comes of it. */
export function mintError(fault: HandingOutFault, byScope: boolean, c: Handling): WireError {
  switch (fault) {
    case "unknown_session":
    case "ended":
    case "not_redeemed":
    case "token_revoked":
      return SUBJECT_INVALID;
    case "replayed":
    case "stale":
      return proofErrorAtServer("invalid", freshNonce(c, "as"));
    case "overloaded":
      return UNAVAILABLE;
    case "not_handed_out":
      return invalidTarget(`the tenant does not have that upstream's own token handed to this server; ${USE_PROXY}`);
    case "not_shown":
      return invalidTarget(`the approver of this session was not told that this server gets that token; ${USE_PROXY}`);
    case "limited":
      return invalidTarget(`access to that upstream is limited, and nobody holds its own token to that; ${USE_PROXY}`);
    case "not_narrowed":
    case "not_fit_to_leave":
      return invalidTarget(`that upstream has no token that is narrow enough and ends; ${USE_PROXY}`);
    case "too_many_hand_outs":
      return invalidRequest(
        "this session had that upstream's own token handed out as often as it may; keep what you got",
      );
    case "upstream_unavailable":
    case "upstream_refused":
    case "upstream_broken":
    case "upstream_misconfigured":
    case "not_linked":
      return { ...UNAVAILABLE, description: "the upstream issued no token for this session; nothing was handed out" };
    default:
      return exchangeError(fault, byScope);
  }
}

const USE_PROXY = "exchange for an access token and call the upstream through the proxy";

import type { LimitReached } from "../domain/limits.ts";
import type { WireError } from "./wire-error.ts";

/**
 * What a session has used up gets. No `Retry-After` (RFC 6585 §4): it does not come back to this session.
 *
 * @param sent whether the upstream has heard of the call already
 */
export function limitError({ limit, limits, left }: LimitReached, sent = false): WireError {
  const effect = sent ? "; the upstream may have carried the call out" : "";
  return {
    status: 429,
    error: "limit_reached",
    description: `the session may not use more ${limit} of this upstream; for more, open a new session, which a human must approve${effect}`,
    members: { limit, limits, left },
  };
}

import type { LimitReached } from "../domain/limits.ts";
import type { WireError } from "./wire-error.ts";

/** What a session has used up gets. No `Retry-After` (RFC 6585 §4): it does not come back to this session. */
export function limitError({ limit, limits, left }: LimitReached): WireError {
  return {
    status: 429,
    error: "limit_reached",
    description: `the session may not use more ${limit} of this upstream; for more, open a new session, which a human must approve`,
    members: { limit, limits, left },
  };
}

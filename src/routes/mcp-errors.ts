import type { Session } from "../durable/session.ts";
import { scopeError, type Challenge } from "../protocol/dpop.ts";
import { limitError } from "../protocol/limit-error.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { useErrorAtResource } from "./session-errors.ts";

/** What a session answers that lets a request to a server not through. */
export function serverCallError(
  fault: Extract<Awaited<ReturnType<Session["callServer"]>>, { ok: false }>["error"],
  challenge: Challenge,
): WireError {
  if (typeof fault === "object") return limitError(fault);
  switch (fault) {
    case "not_granted":
    case "not_counted":
    case "invalid_target":
    case "wider_than_subject":
    case "wrong_subject":
    case "second_hop":
    case "not_the_audience":
    case "outlives_session":
      return scopeError(
        "the session was not granted every tool in this request, or the trust policy allows one no more; ask for them, in this session or a new one, which a human must approve",
        challenge,
      );
    case "subject_expired":
      return useErrorAtResource("ended", challenge);
    default:
      return useErrorAtResource(fault, challenge);
  }
}

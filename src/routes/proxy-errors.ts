import type { Session } from "../durable/session.ts";
import type { Challenge } from "../protocol/dpop.ts";
import { limitError } from "../protocol/limit-error.ts";
import { deny, invalidRequest, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import type { outboundOf } from "../tenancy.ts";
import { useErrorAtResource } from "./session-errors.ts";

/** Why the upstream's answer is none. */
export type StreamFault = Extract<Awaited<ReturnType<ReturnType<typeof outboundOf>["stream"]>>, { ok: false }>["error"];

/** What a session answers that lets a call not through. */
export function callError(
  fault: Extract<Awaited<ReturnType<Session["call"]>>, { ok: false }>["error"],
  challenge: Challenge,
): WireError {
  if (typeof fault === "object") return limitError(fault);
  switch (fault) {
    case "not_granted":
      return deny("not_granted", "the session was not granted that, or the trust policy no longer allows it");
    case "upstream_unavailable":
      return NO_ANSWER;
    case "upstream_refused":
      return {
        status: 502,
        error: "upstream_unauthorized",
        description: "the upstream refused to issue a credential for this session",
      };
    case "upstream_broken":
      return BROKEN;
    case "not_linked":
      return deny("account_not_linked", "the person this session works for has no account linked at this upstream");
    case "upstream_withheld":
      return deny("upstream_withheld", "the upstream gave Stint less than was granted, and this call needs the rest");
    case "upstream_misconfigured":
      return MISCONFIGURED;
    default:
      return useErrorAtResource(fault, challenge);
  }
}

export const PATH_NOT_CANONICAL: WireError = {
  status: 400,
  error: "invalid_request",
  description:
    "the path or query is not in canonical form: no dot or empty segments, no ;, no needless or lower-case percent-encoding",
};
export const QUERY_AMBIGUOUS: WireError = {
  status: 400,
  error: "invalid_request",
  description:
    "servers read this query differently: a parameter may stand several times only as name[], or where the catalogue says so (repeatable), and in one spelling",
};
export const CREDENTIAL_IN_QUERY: WireError = {
  status: 400,
  error: "invalid_request",
  description: "the query carries a credential or a method override; the proxy brings the credential itself",
};

const NO_ANSWER: WireError = {
  status: 502,
  error: "upstream_unavailable",
  description: "the upstream did not answer properly; nothing was retried",
};
const BROKEN: WireError = {
  status: 502,
  error: "upstream_broken",
  description: "Stint's connection to the upstream is broken; its operator, or the account's owner, must renew it",
};
export const MISCONFIGURED: WireError = {
  ...UNAVAILABLE,
  description: "the upstream is not fully configured; its operator must mend it",
};
export const REFUSED_US: WireError = {
  status: 502,
  error: "upstream_unauthorized",
  description: "the upstream refused Stint's credential; your token and session are not at fault",
};
export const ELSEWHERE: WireError = {
  status: 502,
  error: "upstream_redirect",
  description: "the upstream answered with a redirect to elsewhere, which the proxy neither follows nor passes on",
};
export const ECHOED: WireError = {
  status: 502,
  error: "credential_echoed",
  description:
    "the upstream showed Stint's credential in its answer, which was stopped; the call may have had its effect",
};
const TOO_LATE: WireError = {
  status: 504,
  error: "upstream_timeout",
  description: "the upstream did not answer in time; the call may have had its effect",
};

/** An upstream that failed again and again is not called for a while. */
export function leftAlone(seconds: number): WireError {
  return {
    status: 503,
    error: "upstream_unavailable",
    description: "the upstream did not answer several times in a row and is left alone for a moment; nothing was sent",
    headers: { "retry-after": String(seconds) },
  };
}

/** Why a call that was let through has no answer. */
export function streamError({ kind }: StreamFault, ended: WireError): WireError {
  switch (kind) {
    case "timeout":
    case "overdue":
      return TOO_LATE;
    case "ended":
      return ended;
    case "body_broken":
      return invalidRequest("the request's body broke off, or is not as long as it says");
    case "body_too_large":
    case "too_large":
      return { status: 413, error: "invalid_request", description: "the body is larger than the proxy passes" };
    case "credential_echoed":
      return ECHOED;
    case "undecodable":
      return {
        status: 502,
        error: "upstream_encoding",
        description: "the upstream encoded its answer in a way that was not asked for and that Stint does not read",
      };
    case "refused_address":
    case "network":
      return NO_ANSWER;
  }
}

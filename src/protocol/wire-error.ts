/** An error as it goes over the wire: RFC 6749 §5.2 and its relatives. */
export interface WireError {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 414 | 415 | 422 | 429 | 500 | 502 | 503 | 504;
  /** A registered error code. */
  readonly error: string;
  /** What went wrong and what to do next, in plain ASCII without the caller's own text. */
  readonly description: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Members beside `error` and `error_description`. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** Characters that RFC 6749 §5.2 allows in `error_description`. */
const NOT_DESCRIPTION = /[^\x20-\x21\x23-\x5B\x5D-\x7E]/g;

/** A description may name a part of the request; no request gets its own length back. */
const MAX_DESCRIPTION_LENGTH = 400;

/** Renders an error as JSON. Nothing an attacker wrote survives in it unescaped. */
export function renderError({ status, error, description, headers, members }: WireError): Response {
  const text = description.slice(0, MAX_DESCRIPTION_LENGTH).replaceAll(NOT_DESCRIPTION, "'");
  const body = { error, error_description: text, ...members };
  return Response.json(body, { status, headers: { ...NO_STORE, ...headers } });
}

/** Answers that carry tokens, errors or facts about a session are nobody's to keep. RFC 6749 §5.1. */
export const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" } as const;

export function invalidRequest(description: string): WireError {
  return { status: 400, error: "invalid_request", description };
}

/** A call that nobody granted, with the reason as a member. */
export function deny(reason: string, description: string): WireError {
  return { status: 403, error: "access_denied", description, members: { reason } };
}

/** A part of the broker itself did not answer: nothing was granted, and trying again is right. */
export const UNAVAILABLE: WireError = {
  status: 503,
  error: "temporarily_unavailable",
  description: "a part of Stint did not answer; nothing was changed, try again shortly",
  headers: { "retry-after": "2" },
};

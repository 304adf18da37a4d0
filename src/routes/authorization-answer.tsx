import { AuthorizeRefused } from "../pages/authorize-refused.tsx";
import { NO_STORE, type WireError } from "../protocol/wire-error.ts";
import type { AuthorizationFault, JudgedAuthorization } from "./authorization.ts";
import type { Handling } from "./http.ts";
import { page, type PageStatus } from "./page.ts";

/** The authorization response: `state` as it came, and `iss` always (RFC 9207). */
export function redirectTo(
  c: Handling,
  redirectUri: string,
  state: string | undefined,
  parameters: Readonly<Record<string, string>>,
): Response {
  const url = new URL(redirectUri);
  const all = { ...parameters, ...(state === undefined ? {} : { state }), iss: c.var.tenant.issuer };
  for (const [name, text] of Object.entries(all)) url.searchParams.append(name, text);
  return c.body(null, 303, { ...NO_STORE, location: url.href });
}

/** An error goes back to the client only at an address that is its own (RFC 6749 §4.1.2.1). */
export function refusal(c: Handling, { error, redirectUri, state }: AuthorizationFault): Response {
  if (redirectUri !== undefined)
    return redirectTo(c, redirectUri, state, { error: error.error, error_description: error.description });
  const content = <AuthorizeRefused error={error.error} description={error.description} />;
  return page(c, content, PAGE_STATUSES.find((status) => status === error.status) ?? 400);
}

const PAGE_STATUSES: readonly PageStatus[] = [400, 403, 404, 409, 429, 503];

/** What comes to nothing after the human named themselves: caps are for the human, refusals for the client. */
export function reportedRefusal(c: Handling, { codeFlow, request }: JudgedAuthorization, error: WireError): Response {
  const isForClient = error.error === "access_denied" || error.status === 400;
  return refusal(c, isForClient ? { error, redirectUri: codeFlow.redirect_uri, state: request.state } : { error });
}

import type { Child } from "hono/jsx";
import type { Handling } from "./http.ts";

export type PageStatus = 200 | 400 | 403 | 404 | 405 | 409 | 410 | 429 | 503;

/**
 * A page of ours.
 *
 * @param formTarget an origin besides our own that a form of this page may end at, by a redirect
 */
export function page(c: Handling, content: Child, status: PageStatus = 200, formTarget?: string): Response {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    `form-action 'self'${formTarget === undefined ? "" : ` ${formTarget}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return c.body(`<!doctype html>${String(content)}`, status, {
    ...PAGE_HEADERS,
    "content-security-policy": policy.join("; "),
    // A fault may be told before it is known whose page it is.
    ...(c.get("tenant")?.issuer.startsWith("https:") ? HTTPS_ALONE : {}),
  });
}

/** Renders the pages that say how something ended, each kind under its own status. */
export function outcomePage<Props extends { readonly kind: string }>(
  Outcome: (props: Props) => Child,
  statuses: Readonly<Record<Props["kind"], PageStatus>>,
): (c: Handling, props: Props) => Response {
  return (c, props) => page(c, Outcome(props), statuses[props.kind as Props["kind"]]);
}

/** A year in which a browser that was here comes by TLS or not at all, RFC 6797. */
const HTTPS_ALONE = { "strict-transport-security": "max-age=31536000" };

/** Nothing from elsewhere, no frame, no cache, no trace in a referrer. */
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
  "cache-control": "no-store",
};

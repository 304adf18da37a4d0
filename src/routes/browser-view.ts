import { getCookie, setCookie } from "hono/cookie";
import { deriveKey, equalsConstantTime, hmac, sha256 } from "../crypto/hash.ts";
import { newId } from "../crypto/random.ts";
import type { SessionDescription } from "../durable/session-commands.ts";
import type { Handling } from "./http.ts";

/** A browser says where a post comes from; one that says nothing of the kind is not a browser that can be tricked. */
export function isSameOrigin(c: Handling): boolean {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  return (origin === undefined || origin === c.var.tenant.issuer) && (site === undefined || site === "same-origin");
}

/** The id of this browser's view, made and set as a cookie when there is none yet. Only for a post of our own page. */
export function startView(c: Handling): string {
  const known = viewOf(c);
  if (known !== undefined) return known;
  const id = newId("view_");
  const secure = c.var.tenant.issuer.startsWith("https:");
  setCookie(c, viewCookie(c), id, { path: "/", httpOnly: true, sameSite: "Strict", secure });
  return id;
}

export function viewOf(c: Handling): string | undefined {
  const id = getCookie(c, viewCookie(c));
  return id !== undefined && /^view_[A-Za-z0-9_-]{22}$/.test(id) ? id : undefined;
}

/** With the prefix, no subdomain can plant the cookie; without TLS, browsers do not take it. */
function viewCookie(c: Handling): string {
  return c.var.tenant.issuer.startsWith("https:") ? "__Host-stint_view" : "stint_view";
}

/** What the session keeps of a browser, to know it again. */
export function viewDigest(viewId: string): string {
  return sha256(viewId);
}

/** Bound to what is shown as well as to the browser: a planted cookie is worth nothing without it. */
export function csrfToken(c: Handling, viewId: string, about: string): string {
  const { root, issuer } = c.var.tenant;
  return hmac(deriveKey(root, "csrf", issuer), `${viewId} ${about}`);
}

/** The view of this browser, if the form brought the token that belongs to it. */
export function checkView(c: Handling, token: string | undefined, about: string): string | undefined {
  const id = viewOf(c);
  if (id === undefined) return undefined;
  return equalsConstantTime(token ?? "", csrfToken(c, id, about)) ? id : undefined;
}

/**
 * Whether this browser may approve: one that began an authorization request has to be the one in
 * which its human opens the link, or a stranger could begin it and let somebody else approve.
 */
export function isElsewhere(c: Handling, { setting }: SessionDescription): boolean {
  const view = viewOf(c);
  return setting.browser !== undefined && (view === undefined || setting.browser.digest !== viewDigest(view));
}

import type { CompiledTenant, CompiledUpstream } from "./compiled-tenant.ts";
import type { LinkedUpstream, OAuth2RefreshUpstream, Upstream } from "./upstream.ts";

/** An account of one person's at an upstream, as that person and an admin see it. */
export interface LinkedAccount {
  readonly upstream: string;
  /** What the person consented to, where the server said so. */
  readonly scope: string | undefined;
  /** Epoch seconds. */
  readonly linked_at: number;
  /** Why it is good for nothing until it is linked again. */
  readonly broken: string | undefined;
}

export function isLinked(upstream: Upstream): upstream is LinkedUpstream {
  return upstream.connector === "oauth2" && upstream.grant_type === "authorization_code";
}

/** An upstream at which people link accounts of their own. */
export type Linkable = CompiledUpstream & { readonly upstream: LinkedUpstream };

/** The upstreams at which people link accounts of their own. */
export function linkables({ upstreams }: CompiledTenant): Linkable[] {
  return [...upstreams.values()].filter((compiled): compiled is Linkable => isLinked(compiled.upstream));
}

/** All that a session may ever need there, for the person consents once. */
export function scopeToLink({ upstream: { scope }, catalogue }: Linkable): string {
  const named = Object.values(catalogue.operations).flatMap(({ scopes = [] }) => scopes);
  return scope ?? [...new Set(named)].toSorted().join(" ");
}

/** Of what a session needs, what the person consented to: a server refuses to be asked for more (RFC 6749 §6). */
export function withinConsent(scope: string, consented: string | undefined): string {
  if (consented === undefined) return scope;
  const known = new Set(consented.split(" "));
  return scope
    .split(" ")
    .filter((word) => known.has(word))
    .join(" ");
}

/** The same upstream, with the refresh token that one person's consent gave. */
export function asRefreshing(upstream: LinkedUpstream, secret: string): OAuth2RefreshUpstream {
  return { ...upstream, grant_type: "refresh_token", refresh_token: { secret } };
}

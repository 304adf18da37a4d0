import { authorizationAddress, consentEndpoint, type AccountLink } from "./connectors/account-link.ts";
import type { SignInAttempt } from "./crypto/sign-in-attempt.ts";
import { scopeToLink, type Linkable } from "./domain/linked-account.ts";
import { err, type Result } from "./domain/result.ts";
import { outboundOf, readSecret, type TenantContext } from "./tenancy.ts";

/** Where a browser goes to link an account, and where it comes back to. */
export function linkOf({ issuer }: TenantContext, { upstream }: Linkable, attempt: SignInAttempt): AccountLink {
  return { redirectUri: `${issuer}/accounts/callback/${upstream.id}`, attempt };
}

export async function linkAddress(
  env: Env,
  context: TenantContext,
  linkable: Linkable,
  attempt: SignInAttempt,
): Promise<Result<URL, "unavailable">> {
  const { allowPrivateNetwork } = context.config;
  const link = linkOf(context, linkable, attempt);
  const address = await authorizationAddress(linkable.upstream, scopeToLink(linkable), link, calls(env, context));
  if (!address.ok) return address;
  const { protocol } = address.value;
  return protocol === "https:" || (allowPrivateNetwork && protocol === "http:") ? address : err("unavailable");
}

/** The origin that linking leads to, which a page has to allow by name; undefined while it cannot be had. */
export async function linkOrigin(
  env: Env,
  context: TenantContext,
  { upstream }: Linkable,
): Promise<string | undefined> {
  return (await consentEndpoint(upstream, calls(env, context)))?.origin;
}

function calls(env: Env, context: TenantContext) {
  return {
    outbound: outboundOf(context),
    readSecret: (name: string) => readSecret(env, context.issuer, name),
    now: Math.floor(Date.now() / 1000),
  };
}

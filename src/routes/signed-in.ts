import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { sha256 } from "../crypto/hash.ts";
import { newId } from "../crypto/random.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { holdsStill, type SignIn } from "../domain/sign-in.ts";
import type { Person } from "../domain/tenant.ts";
import type { OneTime } from "../durable/one-time.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { personObject } from "./objects.ts";

/** Somebody signed in in this browser. */
export interface SignedIn {
  readonly person: Person;
  readonly signIn: SignIn;
  /** Names the sign-in without being worth anything. */
  readonly digest: string;
}

/** Who is signed in in this browser, asked of that person's object each time. */
export async function signedInAs(c: Handling): Promise<SignedIn | undefined> {
  const known = readCookie(c);
  const { issuer, tenant, cutOffs } = c.var.tenant;
  const person = known === undefined ? undefined : tenant.people.get(known.person);
  if (known === undefined || person === undefined) return undefined;
  const signIn = await personObject(c.env, issuer, person.id).signedIn(known.digest);
  if (signIn === undefined || !holdsStill(signIn, person, tenant.document.sso, cutOffs, nowSeconds())) return undefined;
  return { person, signIn, digest: known.digest };
}

/** Signs a person in, always under a new id: one that was in the browser before is worth nothing. */
export async function signIn(
  c: Handling,
  person: Person,
  sign: { readonly oneTime: readonly OneTime[] } & Pick<SignIn, "how" | "roles">,
): Promise<boolean> {
  const { issuer } = c.var.tenant;
  const id = newId(ID_PREFIXES.signIn);
  const done = await personObject(c.env, issuer, person.id).signIn({
    identity: { issuer, person: person.id },
    digest: sha256(id),
    ...sign,
  });
  if (!done.ok) return false;
  setCookie(c, cookieName(c), `${id}.${person.id}`, cookieOptions(c));
  return true;
}

export async function signOut(c: Handling): Promise<void> {
  const known = readCookie(c);
  if (known !== undefined && c.var.tenant.tenant.people.has(known.person))
    await personObject(c.env, c.var.tenant.issuer, known.person).signOut(known.digest);
  deleteCookie(c, cookieName(c), cookieOptions(c));
}

function readCookie(c: Handling): { digest: string; person: string } | undefined {
  const found = /^(sin_[A-Za-z0-9_-]{22})\.(.+)$/.exec(getCookie(c, cookieName(c)) ?? "");
  return found === null ? undefined : { digest: sha256(found[1]!), person: found[2]! };
}

/** Strict: no other site's link or form brings it. Our own pages post everything, so they always do. */
function cookieOptions(c: Handling) {
  return { path: "/", httpOnly: true, sameSite: "Strict", secure: isHttps(c) } as const;
}

/** With the prefix, no subdomain can plant the cookie; without TLS, browsers do not take it. */
function cookieName(c: Handling): string {
  return isHttps(c) ? "__Host-stint_person" : "stint_person";
}

function isHttps(c: Handling): boolean {
  return c.var.tenant.issuer.startsWith("https:");
}

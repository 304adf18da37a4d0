import { Hono } from "hono";
import { challengeNonceUntil, makeChallengeNonce } from "../crypto/challenge-nonce.ts";
import { digestOf } from "../crypto/hash.ts";
import { requestOptions, userHandleOf, verifyPasskeyUse } from "../crypto/passkey.ts";
import { beginAttempt, resumeAttempt } from "../crypto/sign-in-attempt.ts";
import { personOf, rolesBorneOut } from "../domain/sign-in.ts";
import { Onward } from "../pages/onward.tsx";
import { SignInOutcome, type SignInOutcomeProps } from "../pages/sign-in-outcome.tsx";
import { SignInPage } from "../pages/sign-in.tsx";
import { readForm, type Form } from "../protocol/body.ts";
import { readAssertion } from "../protocol/passkey-response.ts";
import { NO_STORE, renderError } from "../protocol/wire-error.ts";
import { completeSignOn, signOnAddress, signOnOrigin } from "../single-sign-on.ts";
import { isSameOrigin, startView, viewDigest, viewOf } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject } from "./objects.ts";
import { outcomePage, page } from "./page.ts";
import { passkeysOf, usablePasskeys } from "./passkey-decision.ts";
import { signIn, signOut } from "./signed-in.ts";

/** Where a sign-in leads. What is not one of these is nowhere: no address is ever taken from a request. */
const DESTINATIONS: ReadonlyMap<string, string> = new Map([
  ["approve", "/approve"],
  ["inbox", "/inbox"],
  ["accounts", "/accounts"],
  ["away", "/inbox/away"],
]);

/**
 * Signing in: at the identity provider, or with a passkey. GET shows pages and changes nothing, also
 * where the provider sends the browser back to: what it brought is posted by that page, with the
 * cookie of the browser that began (RFC 6749 §10.12).
 */
export const signInPages = new Hono<App>()
  .get("/sign-in", (c) => signInPage(c, "inbox"))
  .post("/sign-in/sso", async (c) => {
    const form = await ownForm(c);
    if (form instanceof Response) return form;
    const { root, issuer, tenant } = c.var.tenant;
    const { sso } = tenant.document;
    const purpose = form.get("purpose") ?? "";
    if (sso === undefined || !DESTINATIONS.has(purpose)) return outcome(c, { kind: "forbidden" });
    const attempt = beginAttempt(root, issuer, viewDigest(startView(c)), purpose, nowSeconds());
    const address = await signOnAddress(c.env, c.var.tenant, sso, attempt);
    if (!address.ok) return outcome(c, { kind: "unavailable" });
    return c.body(null, 303, { ...NO_STORE, location: address.value.href });
  })
  .get("/sign-in/callback", (c) =>
    page(
      c,
      <Onward
        heading="Signing you in"
        action="/sign-in/finish"
        fields={{ answer: new URL(c.req.url).search.slice(1) }}
      />,
    ),
  )
  .post("/sign-in/finish", async (c) => {
    const form = await ownForm(c);
    return form instanceof Response ? form : finishSso(c, new URLSearchParams(form.get("answer") ?? ""));
  })
  .post("/sign-in/challenge", async (c) => {
    const form = await ownForm(c);
    if (form instanceof Response) return form;
    const { root, issuer } = c.var.tenant;
    const browser = viewDigest(startView(c));
    const nonce = makeChallengeNonce(root, issuer, aboutOf(browser), nowSeconds());
    return c.json(
      { nonce, publicKey: await requestOptions(issuer, challengeOf(c, browser, nonce), []) },
      200,
      NO_STORE,
    );
  })
  .post("/sign-in/passkey", async (c) => {
    const form = await ownForm(c);
    return form instanceof Response ? form : finishPasskey(c, form);
  })
  .post("/sign-out", async (c) => {
    const form = await ownForm(c);
    if (form instanceof Response) return form;
    await signOut(c);
    return outcome(c, { kind: "signed_out" });
  });

/** The ways to sign in that this tenant has. */
export async function signInPage(c: Handling, purpose: string): Promise<Response> {
  const { sso } = c.var.tenant.tenant.document;
  const provider = sso === undefined ? undefined : new URL(sso.issuer).host;
  const leadsTo = sso === undefined ? undefined : await signOnOrigin(c.env, c.var.tenant, sso);
  const home = c.req.method === "POST" ? DESTINATIONS.get(purpose) : undefined;
  return page(c, <SignInPage provider={provider} purpose={purpose} home={home} />, 200, leadsTo);
}

async function finishSso(c: Handling, answer: URLSearchParams): Promise<Response> {
  const { root, issuer, tenant } = c.var.tenant;
  const { sso } = tenant.document;
  const view = viewOf(c);
  const resumed =
    view === undefined
      ? undefined
      : resumeAttempt(root, issuer, viewDigest(view), answer.get("state") ?? "", nowSeconds());
  if (sso === undefined || resumed === undefined) return outcome(c, { kind: "forbidden" });
  const { attempt, purpose } = resumed;
  const returned = await completeSignOn(c.env, c.var.tenant, sso, attempt, answer);
  if (!returned.ok) return outcome(c, { kind: returned.error });
  const { identity, groups } = returned.value;
  const person = personOf(tenant, identity);
  if (person === undefined) return outcome(c, { kind: "unknown_person", ...identity });
  const roles = rolesBorneOut(person, sso, groups);
  if (roles.length === 0 && person.roles.length > 0) return outcome(c, { kind: "no_role" });
  const isSignedIn = await signIn(c, person, {
    oneTime: [{ key: `sign-in:${attempt.state}`, rememberUntil: attempt.rememberUntil }],
    how: { by: "sso", identity },
    roles,
  });
  return isSignedIn ? goTo(c, purpose) : outcome(c, { kind: "forbidden" });
}

async function finishPasskey(c: Handling, form: Form): Promise<Response> {
  const { root, issuer, tenant } = c.var.tenant;
  const view = viewOf(c);
  const response = readAssertion(form.get("credential") ?? "");
  if (view === undefined || response === undefined) return outcome(c, { kind: "refused" });
  const browser = viewDigest(view);
  const nonce = form.get("nonce") ?? "";
  const rememberUntil = challengeNonceUntil(root, issuer, aboutOf(browser), nonce, nowSeconds());
  const { userHandle } = response.response;
  const person = tenant.document.people.find(({ id }) => userHandleOf(issuer, id) === userHandle);
  if (rememberUntil === undefined || person === undefined) return outcome(c, { kind: "refused" });
  const object = personObject(c.env, issuer, person.id);
  const passkey = usablePasskeys(await passkeysOf(c, person.id), nowSeconds()).find(
    ({ credential_id }) => credential_id === response.id,
  );
  if (passkey === undefined) return outcome(c, { kind: "refused" });
  const verified = await verifyPasskeyUse(response, issuer, challengeOf(c, browser, nonce), passkey);
  if (!verified.ok) return outcome(c, { kind: "refused" });
  const used = await object.use({
    identity: { issuer, person: person.id },
    credential_id: passkey.credential_id,
    challenge: { key: `challenge:${nonce}`, rememberUntil },
    ...verified.value,
  });
  if (!used.ok) return outcome(c, { kind: "refused" });
  const isSignedIn = await signIn(c, person, { oneTime: [], how: { by: "passkey" }, roles: person.roles });
  return isSignedIn ? goTo(c, form.get("purpose") ?? "inbox") : outcome(c, { kind: "refused" });
}

/** What a passkey signs to sign in: nothing that could be taken for an approval. */
function challengeOf(c: Handling, browser: string, nonce: string): string {
  return digestOf({ type: "stint-sign-in", issuer: c.var.tenant.issuer, browser, nonce });
}

function aboutOf(browser: string): string {
  return `passkey sign-in ${browser}`;
}

function goTo(c: Handling, purpose: string): Response {
  return c.body(null, 303, { ...NO_STORE, location: DESTINATIONS.get(purpose) ?? "/inbox" });
}

async function ownForm(c: Handling): Promise<Form | Response> {
  if (!isSameOrigin(c)) return outcome(c, { kind: "forbidden" });
  const form = await readForm(c.req.raw);
  return form.ok ? form.value : renderError(form.error);
}

const outcome = outcomePage<SignInOutcomeProps>(SignInOutcome, {
  signed_out: 200,
  refused: 403,
  forbidden: 403,
  unknown_person: 403,
  no_role: 403,
  unavailable: 503,
});

import { Hono } from "hono";
import { linkAddress, linkOf, linkOrigin } from "../account-linking.ts";
import { beginAttempt, purposeOf, resumeAttempt } from "../crypto/sign-in-attempt.ts";
import { linkables, scopeToLink, type Linkable } from "../domain/linked-account.ts";
import { AccountOutcome, type AccountOutcomeProps } from "../pages/account-outcome.tsx";
import { Accounts } from "../pages/accounts.tsx";
import { Onward } from "../pages/onward.tsx";
import { readForm, type Form } from "../protocol/body.ts";
import { NO_STORE } from "../protocol/wire-error.ts";
import { checkView, csrfToken, isSameOrigin, startView, viewDigest, viewOf } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject } from "./objects.ts";
import { outcomePage, page } from "./page.ts";
import { signInPage } from "./sign-in.tsx";
import { signedInAs, type SignedIn } from "./signed-in.ts";

/**
 * Linking accounts at upstreams, each by its owner: who began, in that browser, is the only one who
 * can finish. The way back is a GET that changes nothing; its page posts what it brought.
 */
export const accountPages = new Hono<App>()
  .get("/accounts", (c) => page(c, <Onward heading="Your accounts" action="/accounts/view" />))
  .post("/accounts/view", async (c) => {
    if (!isSameOrigin(c)) return outcome(c, { kind: "forbidden" });
    const signedIn = await signedInAs(c);
    return signedIn === undefined ? signInPage(c, "accounts") : accountsPage(c, signedIn);
  })
  .post("/accounts/link", async (c) => {
    const visit = await visitOf(c);
    return visit instanceof Response ? visit : begin(c, visit);
  })
  .get("/accounts/callback/:upstream", (c) => {
    const fields = { upstream: c.req.param("upstream"), answer: new URL(c.req.url).search.slice(1) };
    return page(c, <Onward heading="Linking your account" action="/accounts/finish" fields={fields} />);
  })
  .post("/accounts/finish", async (c) => {
    const form = await readForm(c.req.raw);
    const signedIn = form.ok && isSameOrigin(c) ? await signedInAs(c) : undefined;
    return form.ok && signedIn !== undefined ? finish(c, signedIn, form.value) : outcome(c, { kind: "forbidden" });
  })
  .post("/accounts/unlink", async (c) => {
    const visit = await visitOf(c);
    if (visit instanceof Response) return visit;
    const { issuer } = c.var.tenant;
    const { person, linkable } = visit;
    const { id: upstream } = linkable.upstream;
    const object = personObject(c.env, issuer, person.id);
    const wasLinked = await object.unlinkAccount({ issuer, person: person.id }, upstream, person.id);
    return outcome(c, wasLinked ? { kind: "unlinked", upstream } : { kind: "forbidden" });
  });

/** Somebody who is signed in, and the upstream that their form names. */
type Visit = SignedIn & { readonly linkable: Linkable };

async function visitOf(c: Handling): Promise<Visit | Response> {
  const form = await readForm(c.req.raw);
  const signedIn = form.ok && isSameOrigin(c) ? await signedInAs(c) : undefined;
  if (!form.ok || signedIn === undefined) return outcome(c, { kind: "forbidden" });
  const isOurs = checkView(c, form.value.get("csrf"), signedIn.digest) !== undefined;
  const linkable = linkableAt(c, form.value.get("upstream"));
  return isOurs && linkable !== undefined ? { ...signedIn, linkable } : outcome(c, { kind: "forbidden" });
}

function linkableAt(c: Handling, id: string | undefined): Linkable | undefined {
  return linkables(c.var.tenant.tenant).find(({ upstream }) => upstream.id === id);
}

async function begin(c: Handling, { person, linkable }: Visit): Promise<Response> {
  const { root, issuer } = c.var.tenant;
  const beginner = beginnerOf(viewDigest(startView(c)), person.id);
  const attempt = beginAttempt(root, issuer, beginner, linkable.upstream.id, nowSeconds());
  const address = await linkAddress(c.env, c.var.tenant, linkable, attempt);
  if (!address.ok) return outcome(c, { kind: "unavailable" });
  return c.body(null, 303, { ...NO_STORE, location: address.value.href });
}

async function finish(c: Handling, { person }: SignedIn, form: Form): Promise<Response> {
  const { root, issuer } = c.var.tenant;
  const answer = new URLSearchParams(form.get("answer") ?? "");
  const state = answer.get("state") ?? "";
  const linkable = linkableAt(c, form.get("upstream"));
  const view = viewOf(c);
  if (linkable === undefined || view === undefined) return outcome(c, { kind: "forbidden" });
  const { upstream } = linkable;
  const resumed = resumeAttempt(root, issuer, beginnerOf(viewDigest(view), person.id), state, nowSeconds());
  if (resumed === undefined) return outcome(c, { kind: "forbidden" });
  if (purposeOf(state) !== upstream.id) return outcome(c, { kind: "mixed_up" });
  const linked = await personObject(c.env, issuer, person.id).linkAccount({
    identity: { issuer, person: person.id },
    oneTime: { key: `link:${state}`, rememberUntil: resumed.attempt.rememberUntil },
    upstream,
    scope: scopeToLink(linkable),
    link: linkOf(c.var.tenant, linkable, resumed.attempt),
    answer: answer.toString(),
  });
  if (linked.ok) return outcome(c, { kind: "linked", upstream: upstream.id });
  const { error } = linked;
  return outcome(c, {
    kind: error === "replayed" || error === "stale" || error === "overloaded" ? "forbidden" : error,
  });
}

async function accountsPage(c: Handling, { person, digest }: SignedIn): Promise<Response> {
  const { issuer, tenant } = c.var.tenant;
  const linked = await personObject(c.env, issuer, person.id).accounts();
  const all = linkables(tenant);
  const items = all.map(({ upstream, catalogue }) => {
    const account = linked.find((candidate) => candidate.upstream === upstream.id);
    return {
      upstream: upstream.id,
      host: new URL(upstream.base_url).host,
      operations: Object.values(catalogue.operations).map(({ title }) => title),
      linkedAt: account?.linked_at,
      broken: account?.broken,
    };
  });
  const csrf = csrfToken(c, startView(c), digest);
  const targets = await Promise.all(all.map((linkable) => linkOrigin(c.env, c.var.tenant, linkable)));
  const leadsTo = [...new Set(targets.filter((origin) => origin !== undefined))].join(" ");
  return page(
    c,
    <Accounts personName={person.name} csrf={csrf} accounts={items} />,
    200,
    leadsTo === "" ? undefined : leadsTo,
  );
}

/** Of one person in one browser, so that nobody finishes what somebody else began. */
function beginnerOf(view: string, person: string): string {
  return `${view} links as ${person}`;
}

const outcome = outcomePage<AccountOutcomeProps>(AccountOutcome, {
  linked: 200,
  unlinked: 200,
  forbidden: 403,
  mixed_up: 400,
  refused: 403,
  not_lasting: 403,
  unavailable: 503,
});

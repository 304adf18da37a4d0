import { Hono } from "hono";
import { absenceFault, awayWords, possibleStandIns } from "../domain/absence.ts";
import { isFresh } from "../domain/sign-in.ts";
import { AwayOutcome, type AwayOutcomeProps } from "../pages/away-outcome.tsx";
import { Away } from "../pages/away.tsx";
import { Onward } from "../pages/onward.tsx";
import { readAbsenceForm } from "../protocol/absence.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { forgetTenant } from "../tenancy.ts";
import { checkView, csrfToken, isSameOrigin, startView } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { tenantObject } from "./objects.ts";
import { outcomePage, page } from "./page.ts";
import { signInPage } from "./sign-in.tsx";
import { signedInAs, type SignedIn } from "./signed-in.ts";

/**
 * An approver's own absence. Who stands in decides in their place, so it takes what a decision takes: a
 * sign-in that is fresh, in the role in which they decide.
 */
export const awayPages = new Hono<App>()
  .get("/inbox/away", (c) => page(c, <Onward heading="When you are away" action="/inbox/away/view" />))
  .post("/inbox/away/view", async (c) => {
    if (!isSameOrigin(c)) return outcome(c, { kind: "forbidden" });
    const approver = await freshApprover(c);
    return approver instanceof Response ? approver : awayPage(c, approver);
  })
  .post("/inbox/away/begin", async (c) => {
    const visit = await visitOf(c);
    return visit instanceof Response ? visit : begin(c, visit);
  })
  .post("/inbox/away/end", async (c) => {
    const visit = await visitOf(c);
    if (visit instanceof Response) return visit;
    const { issuer } = c.var.tenant;
    const { id } = visit.person;
    const wasAway = await tenantObject(c.env, issuer).endAway(id, id);
    forgetTenant(issuer);
    return outcome(c, { kind: wasAway ? "back" : "not_away" });
  });

type Visit = SignedIn & { readonly form: Form };

/** Whoever posts a form of ours, and may. */
async function visitOf(c: Handling): Promise<Visit | Response> {
  const form = await readForm(c.req.raw);
  if (!form.ok || !isSameOrigin(c)) return outcome(c, { kind: "forbidden" });
  const approver = await freshApprover(c);
  if (approver instanceof Response) return approver;
  const isOurs = checkView(c, form.value.get("csrf"), approver.digest) !== undefined;
  return isOurs ? { ...approver, form: form.value } : outcome(c, { kind: "forbidden" });
}

async function freshApprover(c: Handling): Promise<SignedIn | Response> {
  const signedIn = await signedInAs(c);
  const { sso } = c.var.tenant.tenant.document;
  if (signedIn === undefined || !isFresh(signedIn.signIn, sso, nowSeconds())) return signInPage(c, "away");
  const isApprover = signedIn.person.roles.includes("approver") && signedIn.signIn.roles.includes("approver");
  return isApprover ? signedIn : outcome(c, { kind: "no_approver" });
}

async function begin(c: Handling, visit: Visit): Promise<Response> {
  const { issuer, tenant } = c.var.tenant;
  const { person, form } = visit;
  const read = readAbsenceForm(form, nowSeconds());
  if (!read.ok) return awayPage(c, visit, { form, problem: read.error });
  const absence = read.value;
  const problem = absenceFault(tenant.people, person.id, absence);
  if (problem !== undefined) return awayPage(c, visit, { form, problem });
  const words = awayWords(tenant.people, person.id, absence);
  await tenantObject(c.env, issuer).setAway(person.id, absence, words, person.id);
  forgetTenant(issuer);
  const delegateName = tenant.people.get(absence.delegate)?.name ?? absence.delegate;
  return outcome(c, { kind: "away", ...absence, delegateName });
}

/** @param refused what was filled in and cannot be, which stays in the form */
function awayPage(
  c: Handling,
  { person, digest }: SignedIn,
  refused?: { readonly form: Form; readonly problem: string },
): Response {
  const { tenant } = c.var.tenant;
  const now = nowSeconds();
  const absences = (tenant.absences.get(person.id) ?? []).filter(({ until }) => until > now);
  const filled = (name: string) => refused?.form.get(name);
  return page(
    c,
    <Away
      personName={person.name}
      csrf={csrfToken(c, startView(c), digest)}
      absences={absences.map(({ from, until, delegate }) => ({
        from,
        until,
        delegateName: tenant.people.get(delegate)?.name ?? delegate,
      }))}
      standIns={possibleStandIns(tenant.people, person.id).map(({ id, name }) => ({ id, name }))}
      now={now}
      filled={{ from: filled("from"), until: filled("until"), delegate: filled("delegate") }}
      problem={refused?.problem}
    />,
    refused === undefined ? 200 : 400,
  );
}

const outcome = outcomePage<AwayOutcomeProps>(AwayOutcome, {
  away: 200,
  back: 200,
  not_away: 409,
  no_approver: 403,
  forbidden: 403,
});

import { Hono } from "hono";
import { challengeNonceUntil, makeChallengeNonce } from "../crypto/challenge-nonce.ts";
import { leftUntil } from "../domain/cut-off.ts";
import { digestOf } from "../crypto/hash.ts";
import { creationOptions, verifyNewPasskey } from "../crypto/passkey.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Person } from "../domain/tenant.ts";
import { Enrol } from "../pages/enrol.tsx";
import { EnrolOutcome, type EnrolOutcomeProps } from "../pages/enrol-outcome.tsx";
import { Shell } from "../pages/shell.tsx";
import { readForm, type Form } from "../protocol/body.ts";
import { verifyInvitation, type Invitation } from "../protocol/invitation.ts";
import { readRegistration } from "../protocol/passkey-response.ts";
import { NO_STORE } from "../protocol/wire-error.ts";
import { isSameOrigin } from "./browser-view.ts";
import { nowSeconds, type App, type Handling } from "./http.ts";
import { personObject } from "./objects.ts";
import { outcomePage, page } from "./page.ts";

/**
 * Where an invited person makes a passkey. The invitation stays in the fragment until a post of our
 * own page brings it, is good once, and makes a passkey for the person it names alone.
 */
export const enrol = new Hono<App>()
  .get("/enrol", (c) => page(c, <Shell title="Passkey" heading="Make your passkey" action="/enrol/view" />))
  .post("/enrol/view", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return outcome(c, entered.error);
    const { form, person, invitation } = entered.value;
    return page(
      c,
      <Enrol
        personName={person.name}
        personId={person.id}
        issuer={c.var.tenant.issuer}
        token={form.get("token") ?? ""}
        expiresAt={invitation.expires_at}
      />,
    );
  })
  .post("/enrol/challenge", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return outcome(c, entered.error);
    const { person, invitation } = entered.value;
    const { root, issuer } = c.var.tenant;
    const nonce = makeChallengeNonce(root, issuer, aboutOf(invitation), nowSeconds());
    const known = await personObject(c.env, issuer, person.id).passkeys();
    const publicKey = await creationOptions(issuer, person, challengeOf(issuer, invitation, nonce), known);
    return c.json({ nonce, publicKey }, 200, NO_STORE);
  })
  .post("/enrol/finish", async (c) => {
    const entered = await enter(c);
    if (!entered.ok) return outcome(c, entered.error);
    const { form, person, invitation } = entered.value;
    const { root, issuer } = c.var.tenant;
    const nonce = form.get("nonce") ?? "";
    const rememberUntil = challengeNonceUntil(root, issuer, aboutOf(invitation), nonce, nowSeconds());
    const response = readRegistration(form.get("credential") ?? "");
    if (rememberUntil === undefined || response === undefined) return outcome(c, { kind: "not_made" });
    const made = await verifyNewPasskey(response, issuer, challengeOf(issuer, invitation, nonce));
    if (!made.ok) return outcome(c, { kind: "not_made" });
    const kept = await personObject(c.env, issuer, person.id).enrol({
      identity: { issuer, person: person.id },
      oneTime: [
        { key: `invitation:${invitation.jti}`, rememberUntil: invitation.expires_at },
        { key: `challenge:${nonce}`, rememberUntil },
      ],
      passkey: made.value,
      atOnce: invitation.at_once,
      since: leftUntil(c.var.tenant.cutOffs, person.id),
    });
    if (kept.ok) return outcome(c, { kind: "made", personName: person.name, usableFrom: kept.value.usable_from });
    return outcome(c, { kind: kept.error === "replayed" ? "used" : "not_made" });
  });

interface Entered {
  readonly form: Form;
  readonly invitation: Invitation;
  readonly person: Person;
}

async function enter(c: Handling): Promise<Result<Entered, EnrolOutcomeProps>> {
  if (!isSameOrigin(c)) return err({ kind: "invalid" });
  const form = await readForm(c.req.raw);
  if (!form.ok) return err({ kind: "invalid" });
  const invitation = await verifyInvitation(form.value.get("token") ?? "", c.var.tenant, nowSeconds());
  const person = invitation === undefined ? undefined : c.var.tenant.tenant.people.get(invitation.person);
  if (invitation === undefined || person === undefined) return err({ kind: "invalid" });
  return ok({ form: form.value, invitation, person });
}

/** The challenge names the invitation, so that a passkey made for one is none for another. */
function challengeOf(issuer: string, { person, jti }: Invitation, nonce: string): string {
  return digestOf({ type: "stint-enrolment", issuer, person, invitation: jti, nonce });
}

function aboutOf({ person, jti }: Invitation): string {
  return `enrol ${person} ${jti}`;
}

const outcome = outcomePage<EnrolOutcomeProps>(EnrolOutcome, { made: 200, used: 409, not_made: 400, invalid: 404 });

import { involvesPasskey, involvesSso, type Assurance } from "../domain/tenant.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Decider } from "../domain/session.ts";
import type { Entered } from "./approval-visit.tsx";
import type { Handling } from "./http.ts";
import { provePasskey, type Signing } from "./passkey-decision.ts";

/** How well whoever decides has to be known. */
export function demandedOf({ demanded }: Decider): Assurance {
  return demanded ?? "passkey";
}

/** Whether a passkey has to sign, besides whatever else says who is there. */
export function needsPasskey(decider: Decider): boolean {
  return involvesPasskey(demandedOf(decider));
}

/** Whether the identity provider has to have said who is there, and has not. */
export function needsSignIn(decider: Decider): boolean {
  return involvesSso(demandedOf(decider)) && decider.sign_in === undefined;
}

export function signingOf({ form, link }: Entered): Signing {
  return { sessionId: link.session_id, person: link.person, grantDigest: form.get("digest") ?? "" };
}

/** Who decides, as well as it is known: by a passkey's signature over this digest, where the policy asks for that. */
export async function prove(c: Handling, entered: Entered): Promise<Result<Decider, "not_signed" | "not_signed_in">> {
  const { decider, form } = entered;
  if (needsSignIn(decider)) return err("not_signed_in");
  if (!needsPasskey(decider)) return ok(decider);
  const evidence = await provePasskey(c, signingOf(entered), form);
  if (!evidence.ok) return evidence;
  const assurance = decider.sign_in === undefined ? "passkey" : "sso+passkey";
  return ok({ ...decider, assurance, evidence: evidence.value });
}

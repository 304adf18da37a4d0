import { leftUntil } from "../domain/cut-off.ts";
import { challengeNonceUntil, makeChallengeNonce } from "../crypto/challenge-nonce.ts";
import { digestOf } from "../crypto/hash.ts";
import { requestOptions, verifyPasskeyUse } from "../crypto/passkey.ts";
import type { ApprovalStatement, PasskeyEvidence } from "../domain/approval-statement.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { KeptPasskey } from "../durable/passkey-store.ts";
import type { Form } from "../protocol/body.ts";
import { readAssertion } from "../protocol/passkey-response.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { personObject } from "./objects.ts";

/** What is about to be signed, and by whom. */
export interface Signing {
  readonly sessionId: string;
  readonly person: string;
  readonly grantDigest: string;
}

/** A person's passkeys; what somebody of the same id had who left is no key of theirs. */
export async function passkeysOf(c: Handling, person: string): Promise<KeptPasskey[]> {
  const { issuer, cutOffs } = c.var.tenant;
  const kept = await personObject(c.env, issuer, person).passkeys();
  return kept.filter(({ created_at }) => created_at > leftUntil(cutOffs, person));
}

/** Passkeys that can decide now. */
export function usablePasskeys(passkeys: readonly KeptPasskey[], now: number): KeptPasskey[] {
  return passkeys.filter(({ usable_from }) => usable_from <= now);
}

/** A fresh challenge over exactly this grant, and what the browser needs to sign it. */
export async function challengeFor(c: Handling, signing: Signing) {
  const { root, issuer } = c.var.tenant;
  const nonce = makeChallengeNonce(root, issuer, aboutOf(signing), nowSeconds());
  const passkeys = usablePasskeys(await passkeysOf(c, signing.person), nowSeconds());
  return { nonce, publicKey: await requestOptions(issuer, digestOf(statementOf(issuer, signing, nonce)), passkeys) };
}

/**
 * Whether a passkey of this very person signed this very grant just now. The person's object uses the
 * challenge up and judges the counter; only then is it evidence.
 */
export async function provePasskey(
  c: Handling,
  signing: Signing,
  form: Form,
): Promise<Result<PasskeyEvidence, "not_signed">> {
  const { root, issuer } = c.var.tenant;
  const nonce = form.get("nonce") ?? "";
  const rememberUntil = challengeNonceUntil(root, issuer, aboutOf(signing), nonce, nowSeconds());
  const response = readAssertion(form.get("credential") ?? "");
  if (rememberUntil === undefined || response === undefined) return err("not_signed");
  const person = personObject(c.env, issuer, signing.person);
  const passkey = (await passkeysOf(c, signing.person)).find(({ credential_id }) => credential_id === response.id);
  if (passkey === undefined) return err("not_signed");
  const statement = statementOf(issuer, signing, nonce);
  const verified = await verifyPasskeyUse(response, issuer, digestOf(statement), passkey);
  if (!verified.ok) return err("not_signed");
  const used = await person.use({
    identity: { issuer, person: signing.person },
    credential_id: passkey.credential_id,
    challenge: { key: `challenge:${nonce}`, rememberUntil },
    ...verified.value,
  });
  if (!used.ok) return err("not_signed");
  return ok({
    type: "passkey",
    statement,
    credential_id: passkey.credential_id,
    public_key: passkey.public_key,
    authenticator_data: response.response.authenticatorData,
    client_data_json: response.response.clientDataJSON,
    signature: response.response.signature,
  });
}

function statementOf(issuer: string, { sessionId, person, grantDigest }: Signing, nonce: string): ApprovalStatement {
  return {
    type: "stint-approval",
    issuer,
    session_id: sessionId,
    person,
    decision: "approve",
    grant_digest: grantDigest,
    nonce,
  };
}

function aboutOf({ sessionId, person, grantDigest }: Signing): string {
  return `approve ${sessionId} ${person} ${grantDigest}`;
}

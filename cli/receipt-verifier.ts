import { digestOf } from "../src/crypto/hash.ts";
import { isSignedBy, readJws, type JsonObject } from "../src/crypto/jws.ts";
import { verifyPasskeyUse } from "../src/crypto/passkey.ts";
import { importPublicKey } from "../src/crypto/public-key.ts";
import type { PasskeyEvidence } from "../src/domain/approval-statement.ts";

const RECEIPT_TYPE = "stint-receipt+jwt";

/** What a receipt proves, or the first thing about it that does not hold. */
export type Verified =
  | { readonly ok: true; readonly claims: JsonObject; readonly findings: readonly string[] }
  | { readonly ok: false; readonly fault: string };

/**
 * Checks a receipt without the broker: its signature, that the grant in it is the one whose digest was
 * decided, and, where a passkey approved it, that this passkey signed that very digest at the issuer's
 * own page.
 *
 * @param jwks the issuer's keys, from a source that the caller trusts
 */
export async function verifyReceipt(receipt: string, jwks: { readonly keys: readonly object[] }): Promise<Verified> {
  const jws = readJws(receipt, false);
  if (!jws.ok || jws.value.typ !== RECEIPT_TYPE) return fail("it is not a receipt, or it was altered");
  const jwk = jwks.keys.find((key) => (key as { kid?: unknown }).kid === jws.value.kid);
  if (jwk === undefined) return fail(`no key "${jws.value.kid ?? ""}" is among the issuer's keys`);
  const key = await importPublicKey(jwk, jws.value.alg);
  if (!key.ok || !(await isSignedBy(jws.value, key.value.key))) return fail("its signature does not hold");
  const { claims } = jws.value;
  const findings = [`signed by ${String(claims["iss"])} with the key ${jws.value.kid}`];
  if (claims["grant"] === undefined) return { ok: true, claims, findings: [...findings, "nothing was ever granted"] };
  const decided = await checkDecision(claims);
  return decided.ok ? { ok: true, claims, findings: [...findings, ...decided.findings] } : decided;
}

async function checkDecision(claims: JsonObject): Promise<Verified> {
  const grant = claims["grant"] as JsonObject;
  const decision = claims["decision"] as JsonObject | undefined;
  const digest = claims["grant_digest"];
  if (digestOf(grant) !== digest) return fail("the grant is not the one whose digest it names");
  if (grant["session_id"] !== claims["session_id"]) return fail("the grant is another session's");
  if (decision?.["digest"] !== digest) return fail("the decision is over another digest");
  const findings = [`${String(decision["person"])} approved exactly this grant (${digest})`];
  const approvals = (claims["approvals"] as JsonObject[] | undefined) ?? [decision];
  for (const approval of approvals) {
    const checked = await checkApproval(approval, claims);
    if (!checked.ok) return checked;
    findings.push(...checked.findings);
  }
  return { ok: true, claims, findings };
}

async function checkApproval(approval: JsonObject, claims: JsonObject): Promise<Verified> {
  if (approval["digest"] !== claims["grant_digest"]) return fail("an approval is over another digest");
  const person = String(approval["person"]) + roleOf(approval);
  const evidence = approval["evidence"] as PasskeyEvidence | undefined;
  if (evidence === undefined) {
    return approval["assurance"] === "link"
      ? { ok: true, claims, findings: [`${person}: known by the link alone, whoever held it could decide`] }
      : fail(`it claims the assurance ${String(approval["assurance"])} and brings no evidence`);
  }
  const fault = await checkEvidence(evidence, claims, approval);
  if (fault !== undefined) return fail(fault);
  return { ok: true, claims, findings: [`${person}: by the passkey ${evidence.credential_id}, the user verified`] };
}

function roleOf({ on_behalf_of, break_glass }: JsonObject): string {
  if (break_glass !== undefined) return ` (alone, breaking the glass: ${String(break_glass)})`;
  return on_behalf_of === undefined ? "" : ` (in the place of ${String(on_behalf_of)})`;
}

async function checkEvidence(
  evidence: PasskeyEvidence,
  claims: JsonObject,
  decision: JsonObject,
): Promise<string | undefined> {
  const { statement, credential_id, public_key, authenticator_data, client_data_json, signature } = evidence;
  const isAboutThis =
    statement.type === "stint-approval" &&
    statement.decision === "approve" &&
    statement.issuer === claims["iss"] &&
    statement.session_id === claims["session_id"] &&
    statement.person === decision["person"] &&
    statement.grant_digest === claims["grant_digest"];
  if (!isAboutThis) return "the passkey signed something else";
  const used = await verifyPasskeyUse(
    {
      id: credential_id,
      rawId: credential_id,
      type: "public-key",
      clientExtensionResults: {},
      response: { authenticatorData: authenticator_data, clientDataJSON: client_data_json, signature },
    },
    statement.issuer,
    digestOf(statement),
    { credential_id, public_key, counter: 0, transports: [], backup_eligible: false },
  );
  return used.ok ? undefined : "the passkey's signature does not hold";
}

function fail(fault: string): { ok: false; fault: string } {
  return { ok: false, fault };
}

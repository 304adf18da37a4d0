import { digestOf } from "../src/crypto/hash.ts";
import { isSignedBy, readJws } from "../src/crypto/jws.ts";
import type { JsonObject } from "../src/domain/canonical-json.ts";
import { verifyPasskeyUse } from "../src/crypto/passkey.ts";
import { importPublicKey } from "../src/crypto/public-key.ts";
import { continues, type AccessDetail } from "../src/domain/access.ts";
import type { PasskeyEvidence } from "../src/domain/approval-statement.ts";
import type { VerifiedIdentity } from "../src/domain/sign-in.ts";

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
  const decided = await checkDecisions(claims);
  return decided.ok ? { ok: true, claims, findings: [...findings, ...decided.findings] } : decided;
}

/** Every grant that the session ever held, each decided on its own, each one more than the one before. */
async function checkDecisions(claims: JsonObject): Promise<Verified> {
  const { grant, grant_digest, decision, approvals } = claims;
  const earlier = (claims["earlier"] as JsonObject[] | undefined) ?? [];
  const last = { grant, grant_digest, decision, ...(approvals === undefined ? {} : { approvals }) } as JsonObject;
  const grants = [...earlier, last];
  const findings: string[] = [];
  for (const [at, granted] of grants.entries()) {
    const before = grants[at - 1];
    const { extends: base, session_id } = granted["grant"] as JsonObject;
    if (before === undefined && base !== undefined && session_id === claims["session_id"])
      return fail("what was granted before is missing");
    if (before !== undefined && !follows(granted["grant"] as JsonObject, before))
      return fail("a later grant does not follow from the one before it");
    const checked = await checkDecision(granted, claims);
    if (!checked.ok) return checked;
    findings.push(...checked.findings);
  }
  return { ok: true, claims, findings };
}

/** Whether a grant takes the place of another: the same session and end, with all that it held, and no higher limit. */
function follows(grant: JsonObject, before: JsonObject): boolean {
  const old = before["grant"] as JsonObject;
  const same = (name: string): boolean => grant[name] === old[name];
  return (
    (grant["extends"] as JsonObject | undefined)?.["grant_digest"] === before["grant_digest"] &&
    ["issuer", "session_id", "client_id", "sub", "expires_at"].every(same) &&
    (old["jkt"] === undefined || same("jkt")) &&
    continues(
      grant["authorization_details"] as unknown as AccessDetail[],
      old["authorization_details"] as unknown as AccessDetail[],
    )
  );
}

async function checkDecision(granted: JsonObject, claims: JsonObject): Promise<Verified> {
  const grant = granted["grant"] as JsonObject;
  const decision = granted["decision"] as JsonObject | undefined;
  const digest = granted["grant_digest"];
  if (digestOf(grant) !== digest) return fail("the grant is not the one whose digest it names");
  const asked = (grant["extends"] as JsonObject | undefined)?.["request_id"];
  if (grant["session_id"] !== claims["session_id"] && asked !== claims["session_id"])
    return fail("the grant is another session's");
  if (decision?.["digest"] !== digest) return fail("the decision is over another digest");
  const what = asked === undefined ? "exactly this grant" : "more for the session, exactly this grant";
  const findings = [`${String(decision["person"])} approved ${what} (${digest})`];
  const approvals = (granted["approvals"] as JsonObject[] | undefined) ?? [decision];
  for (const approval of approvals) {
    const about = { claims, digest, requestId: asked ?? grant["session_id"] };
    const checked = await checkApproval(approval, about);
    if (!checked.ok) return checked;
    findings.push(...checked.findings);
  }
  return { ok: true, claims, findings };
}

interface About {
  readonly claims: JsonObject;
  readonly digest: unknown;
  /** The session, or the request for more, that the approver's page was about. */
  readonly requestId: unknown;
}

async function checkApproval(approval: JsonObject, about: About): Promise<Verified> {
  const { claims, digest } = about;
  if (approval["digest"] !== digest) return fail("an approval is over another digest");
  const person = String(approval["person"]) + roleOf(approval);
  const evidence = approval["evidence"] as PasskeyEvidence | undefined;
  const signIn = approval["sign_in"] as VerifiedIdentity | undefined;
  const { assurance } = approval;
  const isBrought = hasBrought(assurance, evidence !== undefined, signIn !== undefined);
  if (!isBrought) return fail(`it claims the assurance ${String(assurance)} and brings no evidence`);
  const findings: string[] = [];
  if (signIn !== undefined)
    findings.push(`${person}: signed in at ${signIn.issuer} as ${signIn.subject}, by the broker's own word`);
  if (evidence !== undefined) {
    const fault = await checkEvidence(evidence, about, approval);
    if (fault !== undefined) return fail(fault);
    findings.push(`${person}: by the passkey ${evidence.credential_id}, the user verified`);
  }
  if (findings.length === 0) findings.push(`${person}: known by the link alone, whoever held it could decide`);
  return { ok: true, claims, findings };
}

/** Whether an approval brings what its level of assurance claims. */
function hasBrought(assurance: unknown, evidence: boolean, signIn: boolean): boolean {
  switch (assurance) {
    case "link":
      return true;
    case "sso":
      return signIn;
    case "passkey":
      return evidence;
    case "sso+passkey":
      return evidence && signIn;
    default:
      return false;
  }
}

function roleOf({ on_behalf_of, break_glass }: JsonObject): string {
  if (break_glass !== undefined) return ` (alone, breaking the glass: ${String(break_glass)})`;
  return on_behalf_of === undefined ? "" : ` (in the place of ${String(on_behalf_of)})`;
}

async function checkEvidence(
  evidence: PasskeyEvidence,
  { claims, digest, requestId }: About,
  decision: JsonObject,
): Promise<string | undefined> {
  const { statement, credential_id, public_key, authenticator_data, client_data_json, signature } = evidence;
  const isAboutThis =
    statement.type === "stint-approval" &&
    statement.decision === "approve" &&
    statement.issuer === claims["iss"] &&
    statement.session_id === requestId &&
    statement.person === decision["person"] &&
    statement.grant_digest === digest;
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

import { sha256 } from "../crypto/hash.ts";
import { signToken } from "../crypto/signing-key.ts";
import { ID_PREFIXES } from "../domain/ids.ts";
import { receiptClaims } from "../domain/receipt.ts";
import { loadTenant, signingKey } from "../tenancy.ts";
import { DONE, type JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";

/** Signs the closing statement once every lease has found its fate. */
export async function signReceipt(context: JobContext): Promise<JobOutcome> {
  const { state, setting, leases, usage } = context.books.describe();
  if (state.status !== "ended") return DONE;
  const key = signingKey(await loadTenant(context.env, setting.issuer), "receipt");
  const { seq, hash } = context.books.journal().head();
  const jws = await signToken(key, {
    iss: setting.issuer,
    iat: context.books.now(),
    jti: ID_PREFIXES.receipt + sha256(state.request.session_id),
    ...receiptClaims(state, leases, usage, { seq, hash }, utc),
  });
  context.books.store.writeReceipt(jws);
  context.books.record("receipt.signed", { digest: sha256(jws) });
  return DONE;
}

function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

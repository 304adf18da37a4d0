import { Buffer } from "node:buffer";
import { signWebhook } from "../crypto/hash.ts";
import { err, ok } from "../domain/result.ts";
import { messageKey } from "./idempotency.ts";
import type { Delivery, DeliveryContext, LinkNotice } from "./notice.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;
/** Standard Webhooks: a secret is `whsec_` and 24 to 64 bytes in base64. */
const SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;

/**
 * Posts an approver's link to a program of the tenant's own, which brings it to that person: signed as
 * Standard Webhooks has it (webhook-id, webhook-timestamp, webhook-signature), the id the same for
 * every attempt.
 */
export async function postWebhook(notice: LinkNotice, context: DeliveryContext): Promise<Delivery> {
  const { webhook } = context.notify;
  if (webhook === undefined) return err({ kind: "permanent", reason: "not_configured" });
  const secret = SECRET.exec((await context.readSecret(webhook.secret.secret)) ?? "")?.[1];
  if (secret === undefined) return err({ kind: "permanent", reason: "secret_missing" });
  const { approver, link, facts, sessionId, expiresAt, issuer } = notice;
  const id = `msg_${messageKey(sessionId, approver.id, "webhook")}`;
  const now = Math.floor(Date.now() / 1000);
  const body = JSON.stringify({
    type: "stint.approval.requested",
    timestamp: new Date(now * 1000).toISOString(),
    data: {
      issuer,
      session_id: sessionId,
      approver: { id: approver.id, name: approver.name },
      link,
      expires_at: expiresAt,
      headline: facts.headline,
      facts: facts.rows,
      warnings: facts.warnings,
      agents_own_words: facts.quotes,
    },
  });
  const signature = signWebhook(Buffer.from(secret, "base64"), `${id}.${now}.${body}`);
  const answer = await context.outbound.text({
    url: webhook.url,
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(now),
      "webhook-signature": `v1,${signature}`,
    },
    body,
    deadlineMs: DEADLINE_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
  if (!answer.ok) return err({ kind: "retry", reason: answer.error.kind });
  const { status, headers } = answer.value;
  if (status >= 200 && status < 300) return ok("sent");
  // 410: the receiver is gone for good. Everything else may be mended on its side.
  if (status === 410) return err({ kind: "permanent", reason: "gone" });
  return err({
    kind: "retry",
    reason: `status_${status}`,
    afterSeconds: Number(headers.get("retry-after")) || undefined,
  });
}

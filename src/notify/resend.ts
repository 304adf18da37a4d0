import * as z from "zod/v4";
import { err, ok } from "../domain/result.ts";
import type { EmailMessage } from "./email.ts";
import type { Delivery, DeliveryContext } from "./notice.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;

const refusalSchema = z.object({ name: z.string() });

/** Sends a mail by Resend's API. The idempotency key makes a repeated attempt harmless. */
export async function sendByResend(message: EmailMessage, context: DeliveryContext): Promise<Delivery> {
  const resend = context.notify.email?.resend;
  if (resend === undefined) return err({ kind: "permanent", reason: "not_configured" });
  const key = await context.readSecret(resend.api_key.secret);
  if (key === undefined) return err({ kind: "permanent", reason: "secret_missing" });
  const { from, to, subject, text, html, messageId } = message;
  const answer = await context.outbound.text({
    url: `${resend.base_url}/emails`,
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "idempotency-key": message.key,
      "user-agent": "stint",
    },
    body: JSON.stringify({ from, to: [to], subject, text, html, headers: { "Message-ID": messageId } }),
    deadlineMs: DEADLINE_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
  if (!answer.ok) return err({ kind: "retry", reason: answer.error.kind });
  const { status, headers, text: refusal } = answer.value;
  if (status >= 200 && status < 300) return ok("sent");
  // An earlier attempt went out, with another signature in its link: this is the repetition that the key is for.
  if (status === 409 && nameOf(refusal) === "invalid_idempotent_request") return ok("sent");
  if (status === 429 || status === 409 || status >= 500) {
    return err({
      kind: "retry",
      reason: `status_${status}`,
      afterSeconds: Number(headers.get("retry-after")) || undefined,
    });
  }
  return err({ kind: "permanent", reason: `status_${status}` });
}

function nameOf(refusal: string): string | undefined {
  try {
    return refusalSchema.safeParse(JSON.parse(refusal)).data?.name;
  } catch {
    return undefined;
  }
}

import { err } from "../domain/result.ts";
import type { NotifyChannels } from "../domain/tenant.ts";
import { composeEmail } from "./email.ts";
import type { Delivery, DeliveryContext, LinkNotice, Notice } from "./notice.ts";
import { sendByResend } from "./resend.ts";
import { postSlackLink, postSlackNotice } from "./slack.ts";
import { sendBySmtp } from "./smtp.ts";
import { postWebhook } from "./webhook.ts";

/** A way to reach an approver; the names of `notify` in the tenant's document. */
export type Channel = keyof NotifyChannels;

/** Brings an approver's own link to that approver, by one channel. */
export async function deliverLink(channel: Channel, notice: LinkNotice, context: DeliveryContext): Promise<Delivery> {
  switch (channel) {
    case "slack":
      return postSlackLink(notice, context);
    case "webhook":
      return postWebhook(notice, context);
    case "email": {
      const { email } = context.notify;
      if (email === undefined) return err({ kind: "permanent", reason: "not_configured" });
      const message = composeEmail(notice, email.from);
      if (message === undefined) return err({ kind: "permanent", reason: "no_address" });
      return email.smtp === undefined ? sendByResend(message, context) : sendBySmtp(message, context);
    }
  }
}

/** Says in the shared channel that a request waits. Holds no link: whoever reads along could use it. */
export function announce(notice: Notice, context: DeliveryContext): Promise<Delivery> {
  return postSlackNotice(notice, context);
}

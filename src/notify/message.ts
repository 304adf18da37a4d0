import { err, ok } from "../domain/result.ts";
import type { Person } from "../domain/tenant.ts";
import type { Channel } from "./deliver.ts";
import { composePlainEmail } from "./email.ts";
import type { Delivery, DeliveryContext } from "./notice.ts";
import { sendByResend } from "./resend.ts";
import { postSlackMessage } from "./slack.ts";
import { sendBySmtp } from "./smtp.ts";

/** Something that Stint tells one person, with no link in it and nothing to decide. */
export interface Message {
  readonly issuer: string;
  readonly to: Person;
  readonly headline: string;
  /** Stint's own words, a paragraph each. */
  readonly paragraphs: readonly string[];
  /** What the message is about, the same for every attempt to send it. */
  readonly about: string;
}

/** Brings a message to a person by one channel. */
export async function deliverMessage(channel: Channel, message: Message, context: DeliveryContext): Promise<Delivery> {
  switch (channel) {
    case "slack":
      return postSlackMessage(message, context);
    case "webhook":
      // It brings links to approvers; what only tells goes by the other ways.
      return ok("sent");
    case "email": {
      const { email } = context.notify;
      if (email === undefined) return err({ kind: "permanent", reason: "not_configured" });
      const mail = composePlainEmail(message, email.from);
      if (mail === undefined) return err({ kind: "permanent", reason: "no_address" });
      return email.smtp === undefined ? sendByResend(mail, context) : sendBySmtp(mail, context);
    }
  }
}

import type { Channel } from "../notify/deliver.ts";
import { deliverMessage, type Message } from "../notify/message.ts";
import type { Delivery } from "../notify/notice.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import { DONE, type JobOutcome } from "./outbox.ts";

/** What Stint says, whoever reads it. */
export type Words = Pick<Message, "headline" | "paragraphs">;

/** Words for one person by one channel, as an outbox holds them. */
export interface Telling extends Words {
  readonly channel: Channel;
  readonly person: string;
}

/**
 * Tells a person something, where that person and that channel are still there.
 *
 * @param about what the message is about, the same for every attempt
 */
export async function tell(env: Env, issuer: string, telling: Telling, about: string): Promise<JobOutcome> {
  const { channel, person, ...words } = telling;
  const tenant = await loadTenant(env, issuer);
  const to = tenant.tenant.people.get(person);
  if (to === undefined || tenant.tenant.document.notify[channel] === undefined) return DONE;
  const sent = await deliverMessage(channel, { issuer, to, ...words, about }, deliveryContextOf(env, tenant));
  return outcomeOfSending(sent);
}

/** What becomes of a job whose message was sent, or may be later, or never can be. */
export function outcomeOfSending(sent: Delivery): JobOutcome {
  return sent.ok || sent.error.kind === "permanent" ? DONE : { kind: "retry", afterSeconds: sent.error.afterSeconds };
}

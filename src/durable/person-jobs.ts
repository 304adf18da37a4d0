import type { Person } from "../domain/tenant.ts";
import type { Channel } from "../notify/deliver.ts";
import { deliverMessage } from "../notify/message.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import type { JobOutcome, OutboxJob } from "./outbox.ts";
import type { PersonIdentity } from "./person.ts";

/** Does one piece of a person's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runPersonJob(
  job: OutboxJob,
  { env, identity }: { readonly env: Env; readonly identity: PersonIdentity },
): Promise<JobOutcome> {
  try {
    const payload = JSON.parse(job.payload) as { channel: Channel; usable_from?: number };
    const tenant = await loadTenant(env, identity.issuer);
    const to = tenant.tenant.people.get(identity.person);
    if (to === undefined || tenant.tenant.document.notify[payload.channel] === undefined) return { kind: "done" };
    const words =
      job.kind === "digest" ? moreWait(identity.issuer) : passkeyAdded(to, identity.issuer, payload.usable_from ?? 0);
    const message = { issuer: identity.issuer, to, ...words, about: job.id };
    const sent = await deliverMessage(payload.channel, message, deliveryContextOf(env, tenant));
    if (sent.ok || sent.error.kind === "permanent") return { kind: "done" };
    return { kind: "retry", afterSeconds: sent.error.afterSeconds };
  } catch {
    return { kind: "retry" };
  }
}

interface Words {
  readonly headline: string;
  readonly paragraphs: readonly string[];
}

function moreWait(issuer: string): Words {
  return {
    headline: "More requests wait for you",
    paragraphs: [
      "You have as many undecided requests as one person is asked at once. The others come as you decide these.",
      `What waits now is listed at ${issuer}/inbox.`,
      "Nothing is approved by waiting: what nobody decides in fifteen minutes expires.",
    ],
  };
}

function passkeyAdded({ id, name }: Person, issuer: string, usableFrom: number): Words {
  return {
    headline: "A passkey was added in your name",
    paragraphs: [
      `Somebody with an invitation for ${name} (${id}) added a passkey at ${issuer}.`,
      `It can approve requests from ${new Date(usableFrom * 1000).toUTCString()} on.`,
      "If that was not you, tell an admin now: stint passkeys revoke takes it away.",
    ],
  };
}

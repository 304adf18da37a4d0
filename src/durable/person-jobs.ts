import type { Channel } from "../notify/deliver.ts";
import { deliverMessage } from "../notify/message.ts";
import { loadTenant, deliveryContextOf } from "../tenancy.ts";
import type { JobOutcome, OutboxJob } from "./outbox.ts";
import type { PersonIdentity } from "./person.ts";

/** Does one piece of a person's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runPersonJob(
  job: OutboxJob,
  { env, identity }: { readonly env: Env; readonly identity: PersonIdentity },
): Promise<JobOutcome> {
  try {
    const { channel, usable_from } = JSON.parse(job.payload) as { channel: Channel; usable_from: number };
    const tenant = await loadTenant(env, identity.issuer);
    const to = tenant.tenant.people.get(identity.person);
    if (to === undefined || tenant.tenant.document.notify[channel] === undefined) return { kind: "done" };
    const sent = await deliverMessage(
      channel,
      {
        issuer: identity.issuer,
        to,
        headline: "A passkey was added in your name",
        paragraphs: [
          `Somebody with an invitation for ${to.name} (${to.id}) added a passkey at ${identity.issuer}.`,
          `It can approve requests from ${new Date(usable_from * 1000).toUTCString()} on.`,
          "If that was not you, tell an admin now: stint passkeys revoke takes it away.",
        ],
        about: job.id,
      },
      deliveryContextOf(env, tenant),
    );
    if (sent.ok || sent.error.kind === "permanent") return { kind: "done" };
    return { kind: "retry", afterSeconds: sent.error.afterSeconds };
  } catch {
    return { kind: "retry" };
  }
}

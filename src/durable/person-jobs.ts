import type { Person } from "../domain/tenant.ts";
import type { Channel } from "../notify/deliver.ts";
import { loadTenant } from "../tenancy.ts";
import type { JobOutcome, OutboxJob } from "./outbox.ts";
import type { PersonIdentity } from "./person.ts";
import { tell } from "./tell.ts";

/** Does one piece of a person's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runPersonJob(
  job: OutboxJob,
  { env, identity }: { readonly env: Env; readonly identity: PersonIdentity },
): Promise<JobOutcome> {
  try {
    const payload = JSON.parse(job.payload) as { channel: Channel; usable_from?: number };
    const { issuer, person } = identity;
    const to = (await loadTenant(env, issuer)).tenant.people.get(person);
    if (to === undefined) return { kind: "done" };
    const words = job.kind === "digest" ? MORE_WAIT : passkeyAdded(to, issuer, payload.usable_from ?? 0);
    return await tell(env, issuer, { channel: payload.channel, person, ...words }, job.id);
  } catch {
    return { kind: "retry" };
  }
}

interface Words {
  readonly headline: string;
  readonly paragraphs: readonly string[];
}

const MORE_WAIT: Words = {
  headline: "More requests wait for you",
  paragraphs: [
    "You have as many undecided requests as one person is asked at once. The others come as you decide these.",
    "Nothing is approved by waiting: what nobody decides in fifteen minutes expires.",
  ],
};

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

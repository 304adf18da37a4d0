import { breakGlassWords } from "../domain/break-glass.ts";
import { approversOf } from "../domain/policy.ts";
import { registrationOf } from "../domain/registration.ts";
import { postSlackAlarm } from "../notify/slack.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import { DONE, type JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";
import type { SessionWork } from "./session-work.ts";
import { outcomeOfSending, tell } from "./tell.ts";

/**
 * Tells everybody whom it concerns that an admin decides alone: who was asked, the agent's owner, the
 * person it works for, the admin, and the shared channel. One job each, so that none waits for another.
 */
export async function tellOfGlass(
  work: Extract<SessionWork, { kind: "glass" | "glass_channel" | "glass_told" }>,
  { env, books }: JobContext,
): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  if (state.broken === undefined) return DONE;
  const tenant = await loadTenant(env, setting.issuer);
  const { people, document } = tenant.tenant;
  const { client_id, user, session_id } = state.request;
  const words = breakGlassWords(setting.labels.agent_name, people.get(state.broken.person)?.name, state.broken);
  const about = `${session_id} glass`;
  switch (work.kind) {
    case "glass": {
      const owner = registrationOf(tenant.tenant, client_id)?.owner;
      for (const person of new Set([...approversOf(state.plan), owner, user, state.broken.person]))
        for (const channel of ["slack", "email"] as const)
          if (person !== undefined && document.notify[channel] !== undefined)
            books.queue(`glass_told:${channel}:${person}`, { kind: "glass_told", channel, person });
      books.queue("glass_channel", { kind: "glass_channel" });
      return DONE;
    }
    case "glass_told": {
      const { channel, person } = work;
      return tell(env, setting.issuer, { channel, person, ...words }, about);
    }
    case "glass_channel": {
      return outcomeOfSending(await postSlackAlarm(words, about, deliveryContextOf(env, tenant)));
    }
  }
}

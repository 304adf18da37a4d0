import { breakGlassWords } from "../domain/break-glass.ts";
import { approversOf } from "../domain/policy.ts";
import { registrationOf } from "../domain/registration.ts";
import type { Channel } from "../notify/deliver.ts";
import { postSlackAlarm } from "../notify/slack.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import type { JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";
import { tell } from "./tell.ts";

const DONE: JobOutcome = { kind: "done" };

/**
 * Tells everybody whom it concerns that an admin decides alone: who was asked, the agent's owner, the
 * person it works for, the admin, and the shared channel. One job each, so that none waits for another.
 */
export async function tellOfGlass(
  kind: "glass" | "glass_channel" | "glass_told",
  payload: Readonly<Record<string, string>>,
  { env, books }: JobContext,
): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  if (state.broken === undefined) return DONE;
  const tenant = await loadTenant(env, setting.issuer);
  const { people, document } = tenant.tenant;
  const { client_id, user, session_id } = state.request;
  const words = breakGlassWords(setting.labels.agent_name, people.get(state.broken.person)?.name, state.broken);
  const about = `${session_id} glass`;
  switch (kind) {
    case "glass": {
      const owner = registrationOf(tenant.tenant, client_id)?.owner;
      for (const person of new Set([...approversOf(state.plan), owner, user, state.broken.person]))
        for (const channel of ["slack", "email"] as const)
          if (person !== undefined && document.notify[channel] !== undefined)
            books.queue(`glass_told:${channel}:${person}`, "glass_told", { channel, person });
      books.queue("glass_channel", "glass_channel");
      return DONE;
    }
    case "glass_told": {
      const { channel, person = "" } = payload;
      return tell(env, setting.issuer, { channel: channel as Channel, person, ...words }, about);
    }
    case "glass_channel": {
      const sent = await postSlackAlarm(words, about, deliveryContextOf(env, tenant));
      if (sent.ok || sent.error.kind === "permanent") return DONE;
      return { kind: "retry", afterSeconds: sent.error.afterSeconds };
    }
  }
}

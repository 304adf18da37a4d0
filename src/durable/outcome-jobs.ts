import { describeOutcome } from "../domain/outcome.ts";
import { registrationOf } from "../domain/registration.ts";
import type { SessionState } from "../domain/session.ts";
import type { Channel } from "../notify/deliver.ts";
import { updateSlackMessage } from "../notify/slack.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import { approvalLink } from "./approval-link.ts";
import { DONE, type JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";
import type { PostedMessage } from "./session-store.ts";
import { outcomeOfSending, tell } from "./tell.ts";

/** Puts the outcome in place of a message that asked for a decision; its reader can watch what it led to. */
export async function showOutcome({ reference, person }: PostedMessage, context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  const tenant = await loadTenant(context.env, setting.issuer);
  const text = lookText(state);
  const link =
    text === undefined || person === undefined ? undefined : { text, url: await approvalLink(tenant, state, person) };
  const sent = await updateSlackMessage(reference, outcomeOf(context), link, deliveryContextOf(context.env, tenant));
  return outcomeOfSending(sent);
}

/** Why somebody would open their link again. */
function lookText({ status, broken }: SessionState): string | undefined {
  if (status === "active") return "Watch it, or end it";
  return broken === undefined ? undefined : "See what was done, and review it";
}

/** Tells the agent's owner, and the person it works for, how it came out. */
export async function tellOutcome({ env, books }: JobContext): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  const { tenant } = await loadTenant(env, setting.issuer);
  const { client_id, user } = state.request;
  const people = new Set([registrationOf(tenant, client_id)?.owner, user]);
  for (const person of people)
    for (const channel of ["slack", "email"] as const)
      if (person !== undefined && tenant.document.notify[channel] !== undefined)
        books.queue(`told:${channel}:${person}`, { kind: "told", channel, person });
  return DONE;
}

export async function told(channel: Channel, personId: string, context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  const telling = { channel, person: personId, ...outcomeOf(context) };
  return tell(context.env, setting.issuer, telling, `${state.request.session_id} outcome`);
}

/** How a request came out, in words: who decided, what was granted. The agent's words are not in it. */
function outcomeOf({ books }: JobContext): { headline: string; paragraphs: string[] } {
  const { state, setting } = books.outline();
  return describeOutcome(state, setting.labels);
}

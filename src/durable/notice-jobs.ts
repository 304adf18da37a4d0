import { factsOf } from "../domain/facts.ts";
import { objectName } from "../domain/ids.ts";
import { announce, deliverLink, type Channel } from "../notify/deliver.ts";
import type { Delivery, Notice } from "../notify/notice.ts";
import { deliveryContextOf, loadTenant } from "../tenancy.ts";
import { approvalLink } from "./approval-link.ts";
import { DONE, type JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";
import type { PostedMessage } from "./session-store.ts";
import type { AskChannel } from "./session-work.ts";

/** Sends an approver their own link. It is signed here, when it leaves, so that no link is ever at rest. */
export async function notify(channel: AskChannel, personId: string, context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  if (state.status !== "pending") return DONE;
  const tenant = await loadTenant(context.env, setting.issuer);
  const person = tenant.tenant.people.get(personId);
  if (person === undefined) return DONE;
  const asking = context.env.PERSON.getByName(objectName(setting.issuer, personId));
  const { open_requests_per_approver } = tenant.tenant.document.limits;
  const identity = { issuer: setting.issuer, person: personId };
  const wait = await asking.admit(identity, state.request.session_id, open_requests_per_approver);
  if (wait !== undefined) return { kind: "retry", afterSeconds: wait };
  // Who has no other way to be told finds it in their inbox.
  if (channel === "inbox") return DONE;
  const link = await approvalLink(tenant, state, personId);
  const sent = await deliverLink(
    channel,
    { ...noticeOf(context), approver: person, link },
    deliveryContextOf(context.env, tenant),
  );
  return settleDelivery(sent, { channel, person: personId }, context);
}

/** Frees the place that the request had among those its approver is asked to decide. */
export async function release(person: string, { env, books }: JobContext): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  const { issuer } = setting;
  await env.PERSON.getByName(objectName(issuer, person)).release({ issuer, person }, state.request.session_id);
  return DONE;
}

/** Says in the shared channel that a request waits, without any link. */
export async function notice(context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  if (state.status !== "pending") return DONE;
  const tenant = await loadTenant(context.env, setting.issuer);
  if (tenant.tenant.document.notify.slack?.channel === undefined) return DONE;
  return settleDelivery(
    await announce(noticeOf(context), deliveryContextOf(context.env, tenant)),
    { channel: "slack_channel" },
    context,
  );
}

function noticeOf(context: JobContext): Notice {
  const { state, setting } = context.books.outline();
  return {
    issuer: setting.issuer,
    sessionId: state.request.session_id,
    facts: factsOf(
      state.request,
      setting.labels,
      state.plan.enter_match_code === true ? undefined : setting.match_code,
    ),
    expiresAt: state.request_expires_at,
  };
}

/** What the audit log says of a notice. */
type NoticeEvent = { readonly channel: Channel | "slack_channel"; readonly person?: string };

/** A message that can never go out is written down, so that the operator sees why nobody answers. */
function settleDelivery(sent: Delivery, about: NoticeEvent, context: JobContext): JobOutcome {
  if (sent.ok) {
    if (sent.value !== "sent") rememberPosted({ reference: sent.value.posted, person: about.person }, context);
    context.books.record("notice.sent", about);
    return DONE;
  }
  if (sent.error.kind === "retry") return { kind: "retry", afterSeconds: sent.error.afterSeconds };
  context.books.record("notice.failed", { ...about, reason: sent.error.reason });
  return DONE;
}

/** One that went out after the decision is put right at once. */
function rememberPosted(message: PostedMessage, { books }: JobContext): void {
  books.store.rememberPosted(message);
  if (books.current().status !== "pending") books.queueMessageUpdate(message);
}

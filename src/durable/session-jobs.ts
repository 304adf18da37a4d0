import { announce, deliverLink, type Channel } from "../notify/deliver.ts";
import { updateSlackMessage } from "../notify/slack.ts";
import type { Delivery, Notice } from "../notify/notice.ts";
import { sha256 } from "../crypto/hash.ts";
import { signToken } from "../crypto/signing-key.ts";
import { unitsOf } from "../domain/access.ts";
import { factsOf } from "../domain/facts.ts";
import { ID_PREFIXES, objectName } from "../domain/ids.ts";
import { describeOutcome } from "../domain/outcome.ts";
import { registrationOf } from "../domain/registration.ts";
import { receiptClaims } from "../domain/receipt.ts";
import type { SessionState } from "../domain/session.ts";
import { allApprovals } from "../domain/step-up.ts";
import { deliveryContextOf, loadTenant, signingKey } from "../tenancy.ts";
import { approvalLink } from "./approval-link.ts";
import type { EventData } from "./journal.ts";
import { tellOfGlass } from "./glass-jobs.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import type { JobOutcome, OutboxJob } from "./outbox.ts";
import type { SessionBooks } from "./session-books.ts";
import type { PostedMessage } from "./session-store.ts";
import { carryStepUp } from "./step-up-jobs.ts";
import { tell } from "./tell.ts";

/** What a job may use of the session it was queued by. */
export interface JobContext {
  readonly env: Env;
  readonly books: SessionBooks;
  readonly returns: LeaseReturns;
}

const DONE: JobOutcome = { kind: "done" };
const RETRY: JobOutcome = { kind: "retry" };

/**
 * Does one piece of a session's outgoing work. Every kind may be done twice without harm: the
 * receivers know repeated work by its id. A fault that nobody foresaw is tried again later.
 */
export async function runSessionJob(job: OutboxJob, context: JobContext): Promise<JobOutcome> {
  try {
    const payload = JSON.parse(job.payload) as Record<string, string>;
    switch (job.kind) {
      case "index":
        return await index(context);
      case "settle":
        return await settle(context);
      case "notify":
        return await notify(payload["channel"] as Channel | "inbox", payload["person"] ?? "", context);
      case "notice":
        return await notice(context);
      case "release":
        return await release(payload["person"] ?? "", context);
      case "outcome":
        return await showOutcome({ reference: payload["reference"] ?? "", person: payload["person"] }, context);
      case "tell":
        return await tellOutcome(context);
      case "step_up":
        return await carryStepUp(context);
      case "glass":
      case "glass_channel":
      case "glass_told":
        return await tellOfGlass(job.kind, payload, context);
      case "told":
        return await told(payload["channel"] as Channel, payload["person"] ?? "", context);
      case "revoke_lease":
        return await revokeLease(payload["lease_id"] ?? "", job.attempts, context);
      case "flag":
        return await flag(payload["upstream"] ?? "", context);
      case "receipt":
        return await receipt(context);
      default:
        return DONE;
    }
  } catch {
    return RETRY;
  }
}

async function index(context: JobContext): Promise<JobOutcome> {
  const { env, books } = context;
  const { state } = context.books.outline();
  await env.TENANT.getByName(objectName(books.store.setting().issuer)).indexSession({
    session_id: state.request.session_id,
    client_id: state.request.client_id,
    status: state.status,
    created_at: state.request.requested_at,
    ended_at: state.status === "ended" ? state.ended_at : null,
    approved_by: approvedBy(state),
  });
  return DONE;
}

function approvedBy(state: SessionState): string[] {
  if (state.status === "pending" || state.decision?.verdict !== "approved") return [];
  return allApprovals(state).map(({ person }) => person);
}

async function settle(context: JobContext): Promise<JobOutcome> {
  const { env, books } = context;
  const { state } = context.books.outline();
  const agent = env.AGENT.getByName(objectName(books.store.setting().issuer, state.request.client_id));
  await agent.settle({
    session_id: state.request.session_id,
    verdict: state.status === "pending" ? undefined : state.decision?.verdict,
    units: state.status === "pending" ? [] : (state.grant?.authorization_details ?? []).flatMap(unitsOf),
  });
  return DONE;
}

/** Marks an upstream that showed our credential, for whoever operates the tenant. */
async function flag(upstream: string, { env, books }: JobContext): Promise<JobOutcome> {
  await env.TENANT.getByName(objectName(books.store.setting().issuer)).flagUpstream(upstream);
  return DONE;
}

/** Sends an approver their own link. It is signed here, when it leaves, so that no link is ever at rest. */
async function notify(channel: Channel | "inbox", personId: string, context: JobContext): Promise<JobOutcome> {
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
async function release(person: string, { env, books }: JobContext): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  const { issuer } = setting;
  await env.PERSON.getByName(objectName(issuer, person)).release({ issuer, person }, state.request.session_id);
  return DONE;
}

/** Puts the outcome in place of a message that asked for a decision; its reader can watch what it led to. */
async function showOutcome({ reference, person }: PostedMessage, context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  const tenant = await loadTenant(context.env, setting.issuer);
  const text = lookText(state);
  const link =
    text === undefined || person === undefined ? undefined : { text, url: await approvalLink(tenant, state, person) };
  const sent = await updateSlackMessage(reference, outcomeOf(context), link, deliveryContextOf(context.env, tenant));
  return sent.ok || sent.error.kind === "permanent" ? DONE : { kind: "retry", afterSeconds: sent.error.afterSeconds };
}

/** Why somebody would open their link again. */
function lookText({ status, broken }: SessionState): string | undefined {
  if (status === "active") return "Watch it, or end it";
  return broken === undefined ? undefined : "See what was done, and review it";
}

/** Tells the agent's owner, and the person it works for, how it came out. */
async function tellOutcome({ env, books }: JobContext): Promise<JobOutcome> {
  const { state, setting } = books.outline();
  const { tenant } = await loadTenant(env, setting.issuer);
  const { client_id, user } = state.request;
  const people = new Set([registrationOf(tenant, client_id)?.owner, user]);
  for (const person of people)
    for (const channel of ["slack", "email"] as const)
      if (person !== undefined && tenant.document.notify[channel] !== undefined)
        books.queue(`told:${channel}:${person}`, "told", { channel, person });
  return DONE;
}

async function told(channel: Channel, personId: string, context: JobContext): Promise<JobOutcome> {
  const { state, setting } = context.books.outline();
  const telling = { channel, person: personId, ...outcomeOf(context) };
  return tell(context.env, setting.issuer, telling, `${state.request.session_id} outcome`);
}

/** How a request came out, in words: who decided, what was granted. The agent's words are not in it. */
function outcomeOf({ books }: JobContext): { headline: string; paragraphs: string[] } {
  const { state, setting } = books.outline();
  return describeOutcome(state, setting.labels);
}

/** Says in the shared channel that a request waits, without any link. */
async function notice(context: JobContext): Promise<JobOutcome> {
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

/** A message that can never go out is written down, so that the operator sees why nobody answers. */
function settleDelivery(sent: Delivery, about: EventData, context: JobContext): JobOutcome {
  if (sent.ok) {
    if (sent.value !== "sent")
      rememberPosted({ reference: sent.value.posted, person: about["person"] as string | undefined }, context);
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
  if (books.current().status !== "pending") books.queue(`outcome:${message.reference}`, "outcome", message);
}

async function revokeLease(leaseId: string, attempts: number, { books, returns }: JobContext): Promise<JobOutcome> {
  if (books.leases.get(leaseId) === undefined) return DONE;
  const fate = await returns.takeBack(leaseId, attempts);
  if (fate === undefined) return RETRY;
  returns.close(leaseId, fate);
  return DONE;
}

function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Signs the closing statement once every lease has found its fate. */
async function receipt(context: JobContext): Promise<JobOutcome> {
  const { state, setting, leases, usage } = context.books.describe();
  if (state.status !== "ended") return DONE;
  const key = signingKey(await loadTenant(context.env, setting.issuer), "receipt");
  const { seq, hash } = context.books.journal().head();
  const jws = await signToken(key, {
    iss: setting.issuer,
    iat: context.books.now(),
    jti: ID_PREFIXES.receipt + sha256(state.request.session_id),
    ...receiptClaims(state, leases, usage, { seq, hash }, utc),
  });
  context.books.store.writeReceipt(jws);
  context.books.record("receipt.signed", { digest: sha256(jws) });
  return DONE;
}

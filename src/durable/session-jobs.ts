import { unitsOf } from "../domain/access.ts";
import { objectName } from "../domain/ids.ts";
import type { SessionState } from "../domain/session.ts";
import { allApprovals } from "../domain/step-up.ts";
import { tellOfGlass } from "./glass-jobs.ts";
import type { LeaseReturns } from "./lease-returns.ts";
import { notice, notify, release } from "./notice-jobs.ts";
import { DONE, RETRY, type JobOutcome, type OutboxJob } from "./outbox.ts";
import { showOutcome, told, tellOutcome } from "./outcome-jobs.ts";
import { signReceipt } from "./receipt-job.ts";
import type { SessionBooks } from "./session-books.ts";
import { workOf } from "./session-work.ts";
import { carryStepUp } from "./step-up-jobs.ts";

/** What a job may use of the session it was queued by. */
export interface JobContext {
  readonly env: Env;
  readonly books: SessionBooks;
  readonly returns: LeaseReturns;
}

/**
 * Does one piece of a session's outgoing work. Every kind may be done twice without harm: the
 * receivers know repeated work by its id. A fault that nobody foresaw is tried again later.
 */
export async function runSessionJob(job: OutboxJob, context: JobContext): Promise<JobOutcome> {
  try {
    const work = workOf(job);
    switch (work.kind) {
      case "index":
        return await index(context);
      case "settle":
        return await settle(context);
      case "notify":
        return await notify(work.channel, work.person, context);
      case "notice":
        return await notice(context);
      case "release":
        return await release(work.person, context);
      case "outcome":
        return await showOutcome(work, context);
      case "tell":
        return await tellOutcome(context);
      case "told":
        return await told(work.channel, work.person, context);
      case "step_up":
        return await carryStepUp(context);
      case "glass":
      case "glass_channel":
      case "glass_told":
        return await tellOfGlass(work, context);
      case "revoke_lease":
        return await revokeLease(work.lease_id, job.attempts, context);
      case "flag":
        return await flag(work.upstream, context);
      case "receipt":
        return await signReceipt(context);
      default:
        // A later release queued it, and was taken back.
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

async function revokeLease(leaseId: string, attempts: number, { books, returns }: JobContext): Promise<JobOutcome> {
  if (books.leases.get(leaseId) === undefined) return DONE;
  const fate = await returns.takeBack(leaseId, attempts);
  if (fate === undefined) return RETRY;
  returns.close(leaseId, fate);
  return DONE;
}

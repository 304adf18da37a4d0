import { objectName } from "../domain/ids.ts";
import { DONE, RETRY, type JobOutcome, type OutboxJob } from "./outbox.ts";
import { tell, type Telling } from "./tell.ts";

/** What a job may use of the tenant it was queued by. */
interface TenantJobContext {
  readonly env: Env;
  readonly issuer: string;
}

/** Does one piece of a tenant's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runTenantJob(job: OutboxJob, context: TenantJobContext): Promise<JobOutcome> {
  try {
    if (job.kind === "left") return await endWhatTheyHad(job, context);
    return await tell(context.env, context.issuer, JSON.parse(job.payload) as Telling, job.id);
  } catch {
    return RETRY;
  }
}

/** Somebody left: their own object ends what they had. */
async function endWhatTheyHad({ payload }: OutboxJob, { env, issuer }: TenantJobContext): Promise<JobOutcome> {
  const { person, until } = JSON.parse(payload) as { person: string; until: number };
  await env.PERSON.getByName(objectName(issuer, person)).leave({ issuer, person }, until);
  return DONE;
}

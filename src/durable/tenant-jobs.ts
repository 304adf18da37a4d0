import { RETRY, type JobOutcome, type OutboxJob } from "./outbox.ts";
import { tell, type Telling } from "./tell.ts";

/** Does one piece of a tenant's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runTenantJob(
  job: OutboxJob,
  { env, issuer }: { readonly env: Env; readonly issuer: string },
): Promise<JobOutcome> {
  try {
    return await tell(env, issuer, JSON.parse(job.payload) as Telling, job.id);
  } catch {
    return RETRY;
  }
}

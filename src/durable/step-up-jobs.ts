import { objectName } from "../domain/ids.ts";
import { finish, revoke } from "../domain/session.ts";
import { DONE, type JobOutcome } from "./outbox.ts";
import type { JobContext } from "./session-jobs.ts";

/**
 * Brings the news between a session and the request that asks more for it, which are two objects: an
 * approved grant to the session that it is for, an outcome to the session that waits for it, and a
 * session's end to the request that has become pointless. Each may come twice.
 */
export async function carryStepUp({ env, books }: JobContext): Promise<JobOutcome> {
  const state = books.current();
  const { issuer, session_id, client_id } = state.request;
  const base = state.request.extends;
  const objectOf = (id: string) => env.SESSION.getByName(objectName(issuer, id));
  if (base === undefined) {
    const waiting = state.status === "ended" ? state.waiting_step_up : undefined;
    if (waiting !== undefined) await objectOf(waiting).withdraw(client_id);
    return DONE;
  }
  if (state.status === "active") {
    const { grant, grant_digest, decision, approvals } = state;
    const more = { grant, grant_digest, decision, ...(approvals === undefined ? {} : { approvals }) };
    const taken = await objectOf(base.session_id).extend(more);
    // Read again: somebody may have ended it meanwhile.
    const current = books.current();
    const ended = taken
      ? finish(current, client_id, books.now())
      : revoke(current, { kind: "operator" }, "the session had ended or changed", books.now());
    if (ended.ok) books.end(ended.value);
    return DONE;
  }
  if (state.status === "ended") {
    const isApproved = state.decision?.verdict === "approved";
    const how = state.how === "denied" || state.how === "expired" || state.how === "withdrawn" ? state.how : "refused";
    if (!isApproved || how === "refused")
      await objectOf(base.session_id).stepUpOver(session_id, how, state.decision?.comment);
  }
  return DONE;
}

import { unitsOf } from "../domain/access.ts";
import { approversOf, type ApprovalPlan } from "../domain/policy.ts";
import { openSession } from "../domain/session.ts";
import type { SessionBooks } from "./session-books.ts";
import type { OpenCommand } from "./session-commands.ts";

/** Begins a session and queues what is said of it, in the caller's transaction: each approver's link, and the word to the channel. */
export function open(books: SessionBooks, { request, requestDigest, plan, setting, channels }: OpenCommand): void {
  books.store.create(openSession(request, requestDigest, plan), setting);
  const { client_id, session_id, agent_trust, jkt, authorization_details } = request;
  books.record("session.requested", {
    client_id,
    session_id,
    agent_trust,
    jkt,
    request_digest: requestDigest,
    policy: plan.policy_id,
    approvers: plan.approvers,
    later: plan.later?.approvers,
    stand_ins: plan.stand_ins?.map((standIn) => `${standIn.person} for ${standIn.for}`),
    units: authorization_details.flatMap(unitsOf),
  });
  books.queue("index:pending", { kind: "index" });
  for (const person of approversOf(plan))
    for (const channel of channels)
      books.queue(`notify:${channel}:${person}`, { kind: "notify", channel, person }, askedAfterSeconds(plan, person));
  if (channels.includes("slack")) books.queue("notice", { kind: "notice" });
}

/** How long a plan waits before it asks a person: who stands in is asked when the one they stand in for is. */
function askedAfterSeconds({ later, stand_ins }: ApprovalPlan, person: string): number {
  const seat = stand_ins?.find((standIn) => standIn.person === person)?.for ?? person;
  return later?.approvers.includes(seat) === true ? later.after_seconds : 0;
}

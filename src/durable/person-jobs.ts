import { isLinked } from "../domain/linked-account.ts";
import { objectName } from "../domain/ids.ts";
import type { Person } from "../domain/tenant.ts";
import type { Channel } from "../notify/deliver.ts";
import { loadTenant } from "../tenancy.ts";
import type { LinkedAccounts } from "./linked-accounts.ts";
import { DONE, RETRY, type JobOutcome, type OutboxJob } from "./outbox.ts";
import type { PersonIdentity } from "./person-commands.ts";
import { tell, type Words } from "./tell.ts";

/** How often taking an account back is tried at its upstream. */
const MAX_REVOKE_ATTEMPTS = 8;

/** What a job may use of the person it was queued by. */
export interface PersonJobContext {
  readonly env: Env;
  readonly identity: PersonIdentity;
  readonly accounts: LinkedAccounts;
}

/** Does one piece of a person's outgoing work. A fault that nobody foresaw is tried again later. */
export async function runPersonJob(job: OutboxJob, context: PersonJobContext): Promise<JobOutcome> {
  try {
    const payload = JSON.parse(job.payload) as Record<string, string>;
    switch (job.kind) {
      case "revoke_account":
        return await revokeAccount(payload, job.attempts, context);
      case "give_back":
        return await giveBack(payload, context);
      default:
        return await tellPerson(job, context);
    }
  } catch {
    return RETRY;
  }
}

async function revokeAccount(
  { upstream: id = "", sealed = "" }: Readonly<Record<string, string>>,
  attempts: number,
  { env, identity, accounts }: PersonJobContext,
): Promise<JobOutcome> {
  const { tenant } = await loadTenant(env, identity.issuer);
  const upstream = tenant.upstreams.get(id)?.upstream;
  if (upstream === undefined || !isLinked(upstream)) return DONE;
  return (await accounts.takeBack(upstream, sealed)) || attempts + 1 >= MAX_REVOKE_ATTEMPTS ? DONE : RETRY;
}

async function giveBack(
  { upstream = "", session_id = "" }: Readonly<Record<string, string>>,
  { env, identity }: PersonJobContext,
): Promise<JobOutcome> {
  await env.SESSION.getByName(objectName(identity.issuer, session_id)).giveBack(upstream);
  return DONE;
}

/** Tells the person something that happened in their name. */
async function tellPerson(
  job: OutboxJob,
  { env, identity: { issuer, person } }: PersonJobContext,
): Promise<JobOutcome> {
  const payload = JSON.parse(job.payload) as Told & { channel: Channel };
  const to = (await loadTenant(env, issuer)).tenant.people.get(person);
  if (to === undefined) return DONE;
  return tell(env, issuer, { channel: payload.channel, person, ...wordsOf(job.kind, payload, to, issuer) }, job.id);
}

/** What a message is about. */
interface Told {
  readonly usable_from?: number;
  readonly upstream?: string;
  readonly server?: string;
}

function wordsOf(kind: string, payload: Told, to: Person, issuer: string): Words {
  switch (kind) {
    case "digest":
      return moreWait(issuer);
    case "account_broken":
      return accountBroken(payload.upstream ?? "", issuer);
    case "definitions_differ":
      return definitionsDiffer(payload.server ?? "");
    default:
      return passkeyAdded(to, issuer, payload.usable_from ?? 0);
  }
}

function moreWait(issuer: string): Words {
  return {
    headline: "More requests wait for you",
    paragraphs: [
      "You have as many undecided requests as one person is asked at once. The others come as you decide these.",
      `What waits now is listed at ${issuer}/inbox.`,
      "Nothing is approved by waiting: what nobody decides in fifteen minutes expires.",
    ],
  };
}

function accountBroken(upstream: string, issuer: string): Words {
  return {
    headline: `Your account at ${upstream} is no longer linked`,
    paragraphs: [
      "What it was linked by is lost or no longer good, so sessions that work for you cannot use it. Nothing is tried again by itself.",
      `Link it again, or take it away, at ${issuer}/accounts.`,
    ],
  };
}

function definitionsDiffer(server: string): Words {
  return {
    headline: `The MCP server ${server} shows tools that you have not accepted`,
    paragraphs: [
      "You are its owner. What it says of its tools is new, or no longer what you accepted, and what it says is what a model goes by.",
      "Until you have looked at the difference and accepted it, Stint passes no call on to it.",
      `stint servers shows the difference, stint servers accept ${server} accepts it.`,
    ],
  };
}

function passkeyAdded({ id, name }: Person, issuer: string, usableFrom: number): Words {
  return {
    headline: "A passkey was added in your name",
    paragraphs: [
      `Somebody with an invitation for ${name} (${id}) added a passkey at ${issuer}.`,
      `It can approve requests from ${new Date(usableFrom * 1000).toUTCString()} on.`,
      "If that was not you, tell an admin now: stint passkeys revoke takes it away.",
    ],
  };
}

import type { LimitReached } from "../domain/limits.ts";
import { err, type Result } from "../domain/result.ts";
import type { AnswerCommand } from "../durable/session-commands.ts";
import { loadTenant } from "../tenancy.ts";
import type { AccessToken } from "../protocol/access-token.ts";
import type { Handling } from "./http.ts";
import { presented, sessionObject, standingOf } from "./objects.ts";

/** A call that is over sooner is not watched: it would cost every call a second question. In milliseconds. */
const UNWATCHED_MS = 50;

/** What `Session.beginAnswer` said; undefined where it could not be asked. */
export type BegunAnswer = Result<number, "ended" | LimitReached> | undefined;

export interface SessionWatch {
  /** Aborted as soon as the session, or this token of it, is worth nothing any more. */
  readonly signal: AbortSignal;
  /** Asks whether an answer may begin now, or comes too late. */
  begin(answer: AnswerCommand): Promise<BegunAnswer>;
  stop(): void;
}

/**
 * Watches a session while a call of it lasts. The session's object tells of its end at once; what it
 * has not been told itself (an agent that was cut off) shows when it is asked again, every few
 * seconds. An object that does not answer, twice in a row, ends the call.
 */
export function watchSession(c: Handling, token: AccessToken): SessionWatch {
  const abort = new AbortController();
  let stopped = false;
  const timer = setTimeout(() => void watch(), UNWATCHED_MS);

  async function watch(): Promise<void> {
    while (!stopped) {
      if ((await isSurelyOver(c, token)) && !stopped) {
        stopped = true;
        abort.abort();
      }
    }
  }

  return {
    signal: abort.signal,
    begin: (answer) =>
      // An object that did not answer may have freed already what is not needed: that is not done twice.
      begin(c, token, answer)
        .catch(() => begin(c, token, { ...answer, reservedBytes: Math.min(answer.reservedBytes, answer.neededBytes) }))
        .catch(() => undefined),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** What cannot be had, twice in a row, is over. */
function isSurelyOver(c: Handling, token: AccessToken): Promise<boolean> {
  return isOverSoon(c, token).catch(() => isOverSoon(c, token).catch(() => true));
}

/** Asked of a new stub each time: one whose object was moved or restarted stays broken. */
async function isOverSoon(c: Handling, token: AccessToken): Promise<boolean> {
  const tenant = await loadTenant(c.env, c.var.tenant.issuer);
  const standing = standingOf(tenant, token.agent);
  return (
    standing === undefined || sessionObject(c.env, tenant.issuer, token.session_id).isOver(presented(token), standing)
  );
}

async function begin(c: Handling, token: AccessToken, answer: AnswerCommand): Promise<BegunAnswer> {
  const tenant = await loadTenant(c.env, c.var.tenant.issuer);
  const standing = standingOf(tenant, token.agent);
  if (standing === undefined) return err("ended");
  return sessionObject(c.env, tenant.issuer, token.session_id).beginAnswer(presented(token), standing, answer);
}

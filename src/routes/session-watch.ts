import { loadTenant } from "../tenancy.ts";
import type { AccessToken } from "../protocol/access-token.ts";
import type { Handling } from "./http.ts";
import { sessionObject, standingOf } from "./objects.ts";

/** A call that is over sooner is not watched: it would cost every call a second question. In milliseconds. */
const UNWATCHED_MS = 50;

export interface SessionWatch {
  /** Aborted as soon as the session, or this token of it, is worth nothing any more. */
  readonly signal: AbortSignal;
  /** Whether an answer that begins now comes too late. */
  isOver(): Promise<boolean>;
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
      if ((await sureOf(() => isOverSoon(c, token))) && !stopped) {
        stopped = true;
        abort.abort();
      }
    }
  }

  return {
    signal: abort.signal,
    isOver: () => sureOf(() => isOverNow(c, token)),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** What cannot be had, twice in a row, is over. */
function sureOf(ask: () => Promise<boolean>): Promise<boolean> {
  return ask().catch(() => ask().catch(() => true));
}

/** Asked of a new stub each time: one whose object was moved or restarted stays broken. */
async function isOverSoon(c: Handling, token: AccessToken): Promise<boolean> {
  const tenant = await loadTenant(c.env, c.var.tenant.issuer);
  const standing = standingOf(tenant, token.agent);
  return standing === undefined || sessionObject(c.env, tenant.issuer, token.session_id).isOver(token, standing);
}

async function isOverNow(c: Handling, token: AccessToken): Promise<boolean> {
  const tenant = await loadTenant(c.env, c.var.tenant.issuer);
  const standing = standingOf(tenant, token.agent);
  if (standing === undefined) return true;
  return !(await sessionObject(c.env, tenant.issuer, token.session_id).introspect(token, standing)).ok;
}

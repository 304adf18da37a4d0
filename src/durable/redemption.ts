import { planCodeToken } from "../domain/exchange.ts";
import type { Grant } from "../domain/grant.ts";
import { compilePatterns } from "../domain/pattern.ts";
import { err, ok, type Result } from "../domain/result.ts";
import {
  fitsCode,
  isSameClient,
  issueCode,
  POLL_INTERVAL_SECONDS,
  redeem,
  redeemCode,
  revoke,
  type RedeemFault,
  type SessionState,
} from "../domain/session.ts";
import type { OneTimeFault } from "./one-time.ts";
import { isKilled, type SessionBooks } from "./session-books.ts";
import type { CodeProgress, Minting, PollCommand, RedeemCodeCommand } from "./session-commands.ts";

/** By how much each impatient poll lengthens the interval, CIBA Core §11. */
const SLOW_DOWN_SECONDS = 5;
/** Early polls within this of the interval are the network's doing, in milliseconds. */
const POLL_GRACE_MS = 250;

export type PollFault = RedeemFault | OneTimeFault | "unknown_session" | "slow_down" | "wrong_key";
export type CodeFault = RedeemFault | OneTimeFault | "unknown_session" | "wrong_key" | "invalid_target" | "not_counted";

/**
 * How an approved session comes into its client's hands, once: by polling, or by a code that a
 * browser carries. All of it is synchronous, so that a caller can put it into one transaction.
 */
export class Redemption {
  readonly #books: SessionBooks;

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  /** The agent asks whether it may begin. The first time after the approval, it may. */
  poll({ proof, jkt, jti, standing, ...client }: PollCommand): Result<Minting, PollFault> {
    const now = this.#books.now();
    const state = this.#books.current();
    const { request } = state;
    // What is granted on top of a session comes into its hands by that session's own token.
    const isPolled = request.code_flow === undefined && request.extends === undefined;
    if (!isSameClient(request, client) || !isPolled) return err("unknown_session");
    // A session asked for in OAuth's words may not know its key yet; then this proof names it.
    if (request.jkt !== undefined && request.jkt !== jkt) return err("wrong_key");
    const used = this.#books.oneTime.consume(proof, now);
    if (!used.ok) return used;
    if (isKilled(state, standing)) return err("denied");
    if (state.status === "pending" && !this.#mayPoll()) return err("slow_down");
    const redeemed = redeem(state, jti, now);
    if (!redeemed.ok) {
      if (redeemed.error === "already_redeemed") this.#books.refuse({ reason: "auth_req_id_reused" });
      return redeemed;
    }
    this.#books.store.write(redeemed.value);
    const { grant, grant_digest } = redeemed.value;
    const { issuer, authorization_details, expires_at } = grant;
    this.#books.record("token.minted", { jti, jkt, audience: issuer, expires_at });
    return ok({ ...identityOf(grant), jti, jkt, authorization_details, expires_at, grant_digest, audience: issuer });
  }

  isDecided(browserDigest: string): boolean {
    return this.#began(browserDigest) && this.#books.current().status !== "pending";
  }

  /** Issues the code to the browser that began the request, and to no other. */
  takeCode(browserDigest: string): CodeProgress | undefined {
    if (!this.#began(browserDigest)) return undefined;
    const state = this.#books.current();
    if (state.status === "pending") return { kind: "waiting" };
    const issued = issueCode(state, this.#books.now());
    if (issued.ok && state.status === "active" && state.code_issued_at === undefined) {
      this.#books.store.write(issued.value);
      this.#books.record("code.issued", { client_id: state.request.client_id });
    }
    return { kind: "decided", description: this.#books.describe(), approved: issued.ok };
  }

  /**
   * Redeems a code. One that is presented a second time by whoever could redeem it was copied, so
   * the session and all that came from it end (RFC 6749 §4.1.2).
   */
  redeemCode({
    presented,
    proof,
    jkt,
    jti,
    standing,
    target,
    limitedNow,
  }: RedeemCodeCommand): Result<Minting, CodeFault> {
    const now = this.#books.now();
    const state = this.#books.current();
    const { request } = state;
    if (!fitsCode(state, presented)) return err("unknown_session");
    if (request.jkt !== undefined && request.jkt !== jkt) return err("wrong_key");
    if (jkt === undefined && request.code_flow?.bearer !== true) return err("wrong_key");
    const used = proof === undefined ? ok(undefined) : this.#books.oneTime.consume(proof, now);
    if (!used.ok) return used;
    if (isKilled(state, standing)) return err("denied");
    const redeemed = redeemCode(state, jti, now);
    if (!redeemed.ok) {
      if (redeemed.error === "already_redeemed") this.#endCopied(state, now);
      return redeemed;
    }
    const { grant, grant_digest } = redeemed.value;
    const plan = planCodeToken(grant, target, compilePatterns(standing.allow), limitedNow);
    if (!plan.ok) return plan;
    this.#books.store.write(redeemed.value);
    const audience = target?.audience ?? grant.issuer;
    const { expires_at } = plan.value;
    // Whether a token is bound to no key is never left to be concluded from what is missing.
    this.#books.record("token.minted", {
      jti,
      audience,
      expires_at,
      ...(jkt === undefined ? { bearer: true } : { jkt }),
    });
    return ok({ ...identityOf(grant), ...plan.value, jti, jkt, grant_digest, audience });
  }

  #began(browserDigest: string): boolean {
    return this.#books.store.setting().browser?.digest === browserDigest;
  }

  #endCopied(state: SessionState, now: number): void {
    this.#books.refuse({ reason: "code_reused" });
    const by = { kind: "agent", id: state.request.client_id } as const;
    const revoked = revoke(state, by, "its code was presented twice", now);
    if (revoked.ok) this.#books.end(revoked.value);
  }

  /** CIBA Core §11: too early a poll is told to slow down, and the interval grows. */
  #mayPoll(): boolean {
    const nowMs = Date.now();
    const last = this.#books.store.poll();
    const interval = last?.interval_seconds ?? POLL_INTERVAL_SECONDS;
    const early = last !== undefined && nowMs < last.last_at + interval * 1000 - POLL_GRACE_MS && nowMs >= last.last_at;
    this.#books.store.recordPoll({ last_at: nowMs, interval_seconds: early ? interval + SLOW_DOWN_SECONDS : interval });
    return !early;
  }
}

export function identityOf({ session_id, sub, client_id }: Grant): {
  session_id: string;
  sub: string;
  client_id: string;
} {
  return { session_id, sub, client_id };
}

import { setTimeout as sleep } from "node:timers/promises";
import { err, ok, type Result } from "../src/domain/result.ts";
import type { Answer, StintClient } from "./agent-client.ts";

/** A token is replaced this long before its end, so that a call that begins with it is through in time. */
const RENEW_BEFORE_SECONDS = 15;
/** A nonce is good for two minutes at least (RFC 9449 §8 leaves the time to the server). */
const NONCE_AGE_MS = 90_000;
const CLOCK_SKEW_SECONDS = 10;
const RECEIPT_DEADLINE_MS = 15_000;
const RECEIPT_PAUSE_MS = 200;

/** The answer that approval brings. */
export interface SessionToken {
  readonly session_id: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly authorization_details: readonly { readonly type: string; readonly upstream?: string }[];
}

/** What the broker tells an agent of its own session. */
interface SessionView {
  readonly outcome?: string;
  readonly receipt?: string | null;
  readonly error?: string;
}

/** Why there is no token for a call. */
export type NoToken =
  /** `outcome` is how the session ended: `expired`, `revoked`, … */
  | { readonly kind: "ended"; readonly outcome: string }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "unreachable" };

interface HeldToken {
  readonly token: string;
  readonly renewAtMs: number;
}

/** A session that a human approved. Its tokens stay in here: callers get what is done with them. */
export class GrantedSession {
  readonly client: StintClient;
  readonly sessionId: string;
  /** The ids of the upstreams that something was granted of. */
  readonly upstreams: readonly string[];
  /** Told once, when the session turns out to have ended before this side ended it. */
  onEnd: (outcome: string) => void = () => undefined;
  readonly #token: string;
  readonly #endsAtMs: number;
  #outcome: string | undefined;
  readonly #held = new Map<string, Promise<Result<HeldToken, NoToken>>>();
  #nonceAtMs = -Infinity;

  constructor(client: StintClient, token: SessionToken) {
    this.client = client;
    this.sessionId = token.session_id;
    this.upstreams = [...new Set(token.authorization_details.flatMap(({ upstream }) => upstream ?? []))];
    this.#token = token.access_token;
    this.#endsAtMs = performance.now() + token.expires_in * 1000;
  }

  get secondsLeft(): number {
    return Math.max(0, Math.floor((this.#endsAtMs - performance.now()) / 1000));
  }

  /** How it ended, if it is known to have. */
  get outcome(): string | undefined {
    if (this.#outcome === undefined && performance.now() >= this.#endsAtMs) this.#endedAs("expired");
    return this.#outcome;
  }

  /** The token for the proxy of an upstream. Calls that need one at the same time share one exchange. */
  async proxyToken(upstream: string): Promise<Result<string, NoToken>> {
    const { outcome } = this;
    if (outcome !== undefined) return err({ kind: "ended", outcome });
    const before = this.#held.get(upstream);
    const held = await before;
    if (held?.ok === true && performance.now() < held.value.renewAtMs) return ok(held.value.token);
    if (this.#held.get(upstream) === before) this.#held.set(upstream, this.#exchange(upstream));
    const fresh = await this.#held.get(upstream)!;
    return fresh.ok ? ok(fresh.value.token) : fresh;
  }

  /** Stops using a token that the proxy took no more. */
  async forget(upstream: string, token: string): Promise<void> {
    const before = this.#held.get(upstream);
    const held = await before;
    if (held?.ok === true && held.value.token === token && this.#held.get(upstream) === before)
      this.#held.delete(upstream);
  }

  /** Sees to a nonce that is young enough for a body that can be sent only once. */
  async freshenNonce(): Promise<void> {
    if (performance.now() - this.#nonceAtMs > NONCE_AGE_MS) await this.look().catch(() => undefined);
  }

  /** Keeps the nonce that came with an answer of the proxy. */
  keepNonce(nonce: string | undefined): void {
    if (nonce === undefined) return;
    this.client.keepResourceNonce(nonce);
    this.#nonceAtMs = performance.now();
  }

  /** The session as the broker sees it now. Throws when no broker answers. */
  async look(): Promise<Answer> {
    const answer = await this.client.call(this.#token, "GET", `/sessions/${this.sessionId}`);
    this.keepNonce(answer.headers.get("dpop-nonce") ?? undefined);
    const { status, outcome, error } = answer.body;
    if (status === "ended") this.#endedAs(String(outcome));
    // With the session its token ends, and can ask no more: the broker's clock may be a little ahead of ours.
    else if (error === "invalid_token") this.#endedAs(this.secondsLeft <= CLOCK_SKEW_SECONDS ? "expired" : "ended");
    return answer;
  }

  /** Ends the session, if nobody has. Answers what the broker said last. */
  async finish(): Promise<SessionView> {
    this.onEnd = () => undefined;
    const view: SessionView = (await this.client.call(this.#token, "POST", `/sessions/${this.sessionId}/end`)).body;
    if (view.outcome !== undefined) this.#endedAs(view.outcome);
    return view;
  }

  /**
   * Ends the session, if nobody has, and waits for its receipt.
   *
   * @returns the signed receipt; undefined when there was none in time
   */
  async end(): Promise<string | undefined> {
    let view = await this.finish();
    const deadlineMs = performance.now() + RECEIPT_DEADLINE_MS;
    while (typeof view.receipt !== "string" && performance.now() < deadlineMs) {
      await sleep(RECEIPT_PAUSE_MS);
      view = (await this.look()).body;
      if (view.error === "invalid_token") return undefined;
    }
    return view.receipt ?? undefined;
  }

  async #exchange(upstream: string): Promise<Result<HeldToken, NoToken>> {
    const { client } = this;
    const answer = await client.exchange(this.#token, `${client.issuer}/proxy/${upstream}`).catch(() => undefined);
    if (answer === undefined || answer.status >= 500) return err({ kind: "unreachable" });
    const { access_token: token, expires_in: seconds } = answer.body;
    if (answer.status === 200 && typeof token === "string") {
      const renewAtMs = performance.now() + (Number(seconds) - RENEW_BEFORE_SECONDS) * 1000;
      return ok({ token, renewAtMs });
    }
    await this.look().catch(() => undefined);
    const { outcome } = this;
    if (outcome !== undefined) return err({ kind: "ended", outcome });
    return err({ kind: "refused", why: String(answer.body["error_description"] ?? answer.body["error"]) });
  }

  #endedAs(outcome: string): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.onEnd(outcome);
  }
}

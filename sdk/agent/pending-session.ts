import { readIssued, type AuthorizationServer } from "../shared/authorization-server.ts";
import { StintError } from "../shared/stint-error.ts";
import { Session } from "./session.ts";

const CIBA_GRANT = "urn:openid:params:grant-type:ciba";
/** CIBA Core §7.3: where the server names no interval. */
const DEFAULT_INTERVAL_SECONDS = 5;
/** CIBA Core §11: what `slow_down` adds, for this and all later polls. */
const SLOW_DOWN_SECONDS = 5;

interface Opened {
  readonly id: string;
  readonly authReqId: string;
  readonly matchCode: string;
  readonly expiresInSeconds: number;
  readonly intervalSeconds: number;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Called after every poll that found no decision. */
  readonly onPending?: () => void;
}

/** A session that waits for its human. */
export class PendingSession {
  readonly id: string;
  /** To be shown to the user, who compares it with the one on the approval page. Not a secret. */
  readonly matchCode: string;
  /** How long a human has to decide, in seconds from when it was asked. */
  readonly expiresInSeconds: number;
  readonly #server: AuthorizationServer;
  readonly #authReqId: string;
  readonly #openUntilMs: number;
  #intervalSeconds: number;

  constructor(server: AuthorizationServer, opened: Opened) {
    this.#server = server;
    this.id = opened.id;
    this.matchCode = opened.matchCode;
    this.expiresInSeconds = opened.expiresInSeconds;
    this.#authReqId = opened.authReqId;
    this.#openUntilMs = Date.now() + opened.expiresInSeconds * 1000;
    this.#intervalSeconds = opened.intervalSeconds > 0 ? opened.intervalSeconds : DEFAULT_INTERVAL_SECONDS;
  }

  /**
   * Polls, as slowly as Stint says, until a human has decided (CIBA Core §11). While the request is open,
   * a Stint that is away ends nothing: the request waits there.
   *
   * @throws {StintError} `access_denied` with the human's word, `expired_token` when nobody decided;
   *   whatever the signal was aborted with
   */
  async wait({ signal, onPending }: WaitOptions = {}): Promise<Session> {
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await this.#poll(signal);
      } catch (fault) {
        signal?.throwIfAborted();
        const code = fault instanceof StintError ? fault.code : undefined;
        if (fault instanceof StintError && !isPassing(fault)) throw fault;
        // Also where nobody tells that it is over.
        if (code !== "authorization_pending" && !(Date.now() < this.#openUntilMs)) throw fault;
        if (code !== "authorization_pending") this.#intervalSeconds += SLOW_DOWN_SECONDS;
      }
      onPending?.();
      await pause(this.#intervalSeconds * 1000, signal);
    }
  }

  /** Withdraws the request. */
  async withdraw(): Promise<void> {
    await this.#server.postJson(`/sessions/${this.id}/end`, {});
  }

  async #poll(signal: AbortSignal | undefined): Promise<Session> {
    const form = { grant_type: CIBA_GRANT, auth_req_id: this.#authReqId };
    const answer = await this.#server.postForm("/oauth/token", form, true, signal);
    return new Session(this.#server, this.id, readIssued(answer));
  }
}

/** Nothing is decided, or Stint is busy or away for a moment. */
function isPassing({ code, status }: StintError): boolean {
  return code === "authorization_pending" || code === "slow_down" || status === 429 || status >= 500;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, fail) => {
    signal?.throwIfAborted();
    const abort = (): void => {
      clearTimeout(timer);
      fail(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      done();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

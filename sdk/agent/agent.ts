import { AuthorizationServer, type ClientOptions } from "../shared/authorization-server.ts";
import { StintError } from "../shared/stint-error.ts";
import { PendingSession } from "./pending-session.ts";

/** What an agent asks for, as `POST /sessions` takes it (`schema/session-request.schema.json`). */
export interface SessionAsk {
  readonly task: { readonly title: string; readonly description?: string; readonly reference?: string };
  readonly authorization_details: readonly object[];
  /** How long the session shall last, in seconds. */
  readonly expires_in: number;
  /** Whom the agent works for. */
  readonly user?: string;
}

/** An AI agent at Stint: asks for access, which a human must approve. */
export class Agent {
  readonly #server: AuthorizationServer;

  constructor(options: ClientOptions) {
    this.#server = new AuthorizationServer(options);
  }

  /**
   * Asks for a session. No answer of Stint holds anything that could approve it.
   *
   * @param idempotencyKey makes asking again, after an answer that was lost, the same request
   * @throws {StintError} when the policy or the request forbids it
   */
  async ask(ask: SessionAsk, idempotencyKey?: string): Promise<PendingSession> {
    const headers: Record<string, string> = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    const answer = await this.#server.postJson("/sessions", ask, headers);
    const { session_id, auth_req_id, match_code, expires_in, interval } = answer;
    if (typeof session_id !== "string" || typeof auth_req_id !== "string" || typeof match_code !== "string")
      throw new StintError("server_error", "the answer names no session", 0);
    return new PendingSession(this.#server, {
      id: session_id,
      authReqId: auth_req_id,
      matchCode: match_code,
      expiresInSeconds: Number(expires_in),
      intervalSeconds: Number(interval),
    });
  }
}

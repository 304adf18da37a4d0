import type { History } from "../domain/facts.ts";
import type { OneTime, OneTimeFault } from "./one-time.ts";

/** Which tenant's client an object is; the object keeps it from its first call. */
export interface AgentIdentity {
  readonly issuer: string;
  readonly client_id: string;
}

export interface AdmitCommand {
  readonly identity: AgentIdentity;
  /** The assertion and the proof that came with the request. */
  readonly oneTime: readonly OneTime[];
  readonly idempotencyKey?: string | undefined;
  /**
   * Whose requests are counted together, beside the client's own: the person, where a browser asks
   * before anybody has signed in. A stranger can then fill nobody's places but those they name.
   */
  readonly lane?: string | undefined;
  /** Digest of what is asked for, by which key. */
  readonly contentDigest: string;
  /** The id to use if this is a new request. */
  readonly sessionId: string;
  /** All that was asked for until then (epoch seconds) was cut off; 0 for nothing. */
  readonly deadUntil: number;
}

/** The session that the request belongs to: a new one, or the one it repeats. */
export interface Admission {
  readonly session_id: string;
  /** Epoch seconds. */
  readonly requested_at: number;
  readonly repeated: boolean;
  /** What was decided for this client before. */
  readonly history: History;
}

export type AdmitFault =
  | { readonly reason: OneTimeFault }
  | { readonly reason: "idempotency_conflict" }
  | { readonly reason: "too_many_pending"; readonly retryAfter: number }
  | { readonly reason: "too_often"; readonly retryAfter: number }
  | { readonly reason: "suspended"; readonly retryAfter: number }
  | { readonly reason: "just_cut_off"; readonly retryAfter: number };

/** A pushed authorization request. */
export interface PushedRequest {
  readonly id: string;
  /** Its parameters as JSON. */
  readonly parameters: string;
  /** Epoch seconds. */
  readonly until: number;
}

/** How a request that was waiting came to its end. */
export interface Settlement {
  readonly session_id: string;
  /** Whether a human decided it, and how. */
  readonly verdict?: "approved" | "denied" | undefined;
  /** What was granted. */
  readonly units: readonly string[];
}

import type { AccessDetail } from "./access.ts";

/** The task, in the agent's own words, already cleaned. */
export interface Task {
  readonly title: string;
  readonly description?: string | undefined;
  /** An https URL where a human can read on; shown as text, never as a link. */
  readonly reference?: string | undefined;
}

/**
 * What an agent asked for. Immutable once recorded; the digest of its canonical JSON is what the
 * approval links name.
 */
export interface SessionRequest {
  readonly issuer: string;
  readonly session_id: string;
  readonly client_id: string;
  /** RFC 7638 thumbprint of the agent's DPoP key. */
  readonly jkt: string;
  readonly task: Task;
  /** The person for whom the agent says it works. */
  readonly user?: string | undefined;
  readonly authorization_details: readonly AccessDetail[];
  /** How long the session shall last, in seconds. */
  readonly expires_in: number;
  /** Epoch seconds. */
  readonly requested_at: number;
}

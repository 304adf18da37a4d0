import type { AccessDetail } from "./access.ts";
import type { Trust } from "./tenant.ts";
import type { Extends } from "./step-up.ts";

/** The task, in the agent's own words, already cleaned. */
export interface Task {
  readonly title: string;
  readonly description?: string | undefined;
  /** An https URL where a human can read on; shown as text, never as a link. */
  readonly reference?: string | undefined;
}

/** What is kept of a client's metadata document. */
export interface ClientDocument {
  /** Of its keys, addresses and name: a client that changes them has to ask again. */
  readonly digest: string;
  /** What the client calls itself. Its own words, cleaned: anybody can write any name. */
  readonly name: string;
}

/** What an authorization request (RFC 6749 §4.1.1) fixes beside the access that it asks for. */
export interface CodeFlow {
  /** Where the browser returns to. */
  readonly redirect_uri: string;
  /** RFC 7636, S256. */
  readonly code_challenge: string;
  /** RFC 8707: the one audience of the token; the issuer itself when absent. */
  readonly resource?: string | undefined;
  /** Whether the token will be bound to no key: whoever holds it can use it. */
  readonly bearer: boolean;
  /** Whether every address that the client may return to is on the approver's own machine. */
  readonly loopback_only: boolean;
}

/**
 * What an agent asked for. Immutable once recorded; the digest of its canonical JSON is what the
 * approval links name.
 */
export interface SessionRequest {
  readonly issuer: string;
  readonly session_id: string;
  readonly client_id: string;
  /** Where the agent runs, by its registration when it asked; absent in requests of before there was such a word. */
  readonly agent_trust?: Trust | undefined;
  /**
   * RFC 7638 thumbprint of the agent's DPoP key. Absent only where an OAuth client has not named it
   * yet: then the session is bound to the key that its authenticated client proves when it fetches
   * the token.
   */
  readonly jkt?: string | undefined;
  /** The metadata document by which an unregistered client is known. */
  readonly client_document?: ClientDocument | undefined;
  /** How a client in a browser takes the session over; absent for an agent that polls. */
  readonly code_flow?: CodeFlow | undefined;
  readonly task: Task;
  /** The session that this asks more for; absent for one that begins. */
  readonly extends?: Extends | undefined;
  /** The person for whom the agent says it works. */
  readonly user?: string | undefined;
  readonly authorization_details: readonly AccessDetail[];
  /** How long the session shall last, in seconds. */
  readonly expires_in: number;
  /** Epoch seconds. */
  readonly requested_at: number;
}

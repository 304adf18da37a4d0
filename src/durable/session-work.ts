import type { Channel } from "../notify/deliver.ts";
import type { OutboxJob } from "./outbox.ts";
import type { PostedMessage } from "./session-store.ts";

/** What a session has still to do outside. The names and members are those of the rows that its outbox keeps. */
export type SessionWork =
  /** Tells the tenant's index, the agent's object, and the session that asked for more, how it stands. */
  | { readonly kind: "index" | "settle" | "step_up" }
  /** Brings an approver their link. */
  | { readonly kind: "notify"; readonly channel: AskChannel; readonly person: string }
  /** Says in the shared channel that a request waits. */
  | { readonly kind: "notice" }
  /** Frees the place that the request had with an approver. */
  | { readonly kind: "release"; readonly person: string }
  /** Puts the outcome in the place of a message. */
  | ({ readonly kind: "outcome" } & PostedMessage)
  /** Tells whoever is not an approver how it came out: finds out who that is, then tells each. */
  | { readonly kind: "tell" }
  | { readonly kind: "told"; readonly channel: Channel; readonly person: string }
  /** Tells everybody that an admin decides alone: finds out who that is, then tells each, and the shared channel. */
  | { readonly kind: "glass" | "glass_channel" }
  | { readonly kind: "glass_told"; readonly channel: Channel; readonly person: string }
  /** Takes a credential back. */
  | { readonly kind: "revoke_lease"; readonly lease_id: string }
  /** Marks an upstream that showed our credential. */
  | { readonly kind: "flag"; readonly upstream: string }
  /** Signs the closing statement. */
  | { readonly kind: "receipt" };

/** How an approver is asked; `inbox` for a tenant that has no way to send anything. */
export type AskChannel = Channel | "inbox";

/** The work of a job that this release or an earlier one queued. */
export function workOf({ kind, payload }: OutboxJob): SessionWork {
  return { kind, ...(JSON.parse(payload) as object) } as SessionWork;
}

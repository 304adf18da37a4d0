import type { Usage } from "./limits.ts";
import type { EndedSession } from "./session.ts";

/** What became of one minted upstream credential. */
export type LeaseFate =
  | { readonly fate: "revoked"; readonly at: number }
  | { readonly fate: "expires_at"; readonly at: number }
  /** A key that the upstream cannot take back; it never left the broker. */
  | { readonly fate: "irrevocable" }
  /** Nobody could take it back; `retried_until` is when Stint tried for the last time, epoch seconds. */
  | { readonly fate: "failed"; readonly reason: string; readonly retried_until: number }
  | { readonly fate: "pending" }
  /** The broker stopped, or the upstream's answer was lost, while it was minting: it may or may not have done so. */
  | {
      readonly fate: "unknown";
      /** When it ends by itself at the latest, epoch seconds, where the upstream's own limit is known. */
      readonly ends_by?: number;
    };

export interface LeaseStatement {
  readonly lease_id: string;
  readonly upstream: string;
  readonly minted_at?: number | undefined;
  /** The server that was handed the credential itself, held to its grant by the upstream alone. */
  readonly handed_out?: { readonly server: string; readonly at: number; readonly unconstrained: true };
  readonly fate: LeaseFate;
}

/** How often what was done, from the session's own counters. */
export interface UsageStatement {
  readonly tokens_minted: number;
  /** At all upstreams together. */
  readonly calls: number;
  readonly refusals: number;
  readonly upstreams: readonly UpstreamUsage[];
}

/** What was used of one upstream. Bytes that a call in flight has reserved count as used until it ends. */
export interface UpstreamUsage extends Usage {
  readonly upstream: string;
}

/** The claims of a receipt, beside `iss`, `iat` and `jti`: the signed closing statement of a session. */
export interface ReceiptClaims {
  readonly session_id: string;
  readonly client_id: string;
  /** Where the agent ran, by its registration when it asked. */
  readonly agent_trust?: EndedSession["request"]["agent_trust"];
  readonly task: EndedSession["request"]["task"];
  readonly outcome: EndedSession["how"];
  readonly ended_at: number;
  readonly request_digest: string;
  readonly grant_digest?: string | undefined;
  readonly grant?: EndedSession["grant"];
  readonly decision?: EndedSession["decision"];
  /** Every approval, where the policy demanded more than one. */
  readonly approvals?: EndedSession["approvals"];
  /** What was granted before more was, oldest first, each with its decision. */
  readonly earlier?: EndedSession["earlier"];
  readonly leases: readonly (LeaseStatement & { readonly in_words: string })[];
  readonly usage: UsageStatement;
  /** Where the session's audit chain stands: how many events, and the last one's hash. */
  readonly audit: { readonly seq: number; readonly hash: string };
}

/**
 * What became of a credential, in words for whoever reads the receipt.
 *
 * @param timeOf writes epoch seconds as people read them
 */
function describeFate(fate: LeaseFate, timeOf: (seconds: number) => string): string {
  switch (fate.fate) {
    case "revoked":
      return `taken back at the upstream at ${timeOf(fate.at)}`;
    case "expires_at":
      return `ends by itself at ${timeOf(fate.at)}; it was not taken back before`;
    case "irrevocable":
      return "lives on: the upstream cannot take it back; it never left Stint";
    case "failed":
      return `not taken back (${fate.reason}); tried until ${timeOf(fate.retried_until)}`;
    case "unknown":
      return `unknown: Stint asked for it and never saw the answer, so it may or may not have been made${
        fate.ends_by === undefined ? "" : `; it ends by itself by ${timeOf(fate.ends_by)}`
      }`;
    case "pending":
      return "still being taken back";
  }
}

function describeLease({ fate, handed_out }: LeaseStatement, timeOf: (seconds: number) => string): string {
  const handed = handed_out === undefined ? "" : `handed to server ${handed_out.server} (unconstrained); `;
  return handed + describeFate(fate, timeOf);
}

/** Builds the closing statement of an ended session. */
export function receiptClaims(
  state: EndedSession,
  leases: readonly LeaseStatement[],
  usage: UsageStatement,
  audit: ReceiptClaims["audit"],
  timeOf: (seconds: number) => string,
): ReceiptClaims {
  return {
    session_id: state.request.session_id,
    client_id: state.request.client_id,
    ...(state.request.agent_trust === undefined ? {} : { agent_trust: state.request.agent_trust }),
    task: state.request.task,
    outcome: state.how,
    ended_at: state.ended_at,
    request_digest: state.request_digest,
    ...(state.grant === undefined ? {} : { grant: state.grant, grant_digest: state.grant_digest }),
    ...(state.decision === undefined ? {} : { decision: state.decision }),
    ...(state.approvals === undefined ? {} : { approvals: state.approvals }),
    ...(state.earlier === undefined ? {} : { earlier: state.earlier }),
    leases: leases.map((lease) => ({ ...lease, in_words: describeLease(lease, timeOf) })),
    usage,
    audit,
  };
}

import type { EndedSession } from "./session.ts";

/** What became of one minted upstream credential. */
export type LeaseFate =
  | { readonly fate: "revoked"; readonly at: number }
  | { readonly fate: "expires_at"; readonly at: number }
  /** A key that the upstream cannot take back; it never left the broker. */
  | { readonly fate: "irrevocable" }
  | { readonly fate: "failed"; readonly reason: string }
  | { readonly fate: "pending" }
  /** The broker stopped while the upstream was minting: it may or may not have done so. */
  | { readonly fate: "unknown" };

export interface LeaseStatement {
  readonly lease_id: string;
  readonly upstream: string;
  readonly minted_at?: number | undefined;
  readonly fate: LeaseFate;
}

/** How often what was done, from the session's own counters. */
export interface UsageStatement {
  readonly tokens_minted: number;
  readonly calls: number;
  readonly refusals: number;
}

/** The claims of a receipt, beside `iss`, `iat` and `jti`: the signed closing statement of a session. */
export interface ReceiptClaims {
  readonly session_id: string;
  readonly client_id: string;
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
  readonly leases: readonly LeaseStatement[];
  readonly usage: UsageStatement;
  /** Where the session's audit chain stands: how many events, and the last one's hash. */
  readonly audit: { readonly seq: number; readonly hash: string };
}

/** Builds the closing statement of an ended session. */
export function receiptClaims(
  state: EndedSession,
  leases: readonly LeaseStatement[],
  usage: UsageStatement,
  audit: ReceiptClaims["audit"],
): ReceiptClaims {
  return {
    session_id: state.request.session_id,
    client_id: state.request.client_id,
    task: state.request.task,
    outcome: state.how,
    ended_at: state.ended_at,
    request_digest: state.request_digest,
    ...(state.grant === undefined ? {} : { grant: state.grant, grant_digest: state.grant_digest }),
    ...(state.decision === undefined ? {} : { decision: state.decision }),
    ...(state.approvals === undefined ? {} : { approvals: state.approvals }),
    ...(state.earlier === undefined ? {} : { earlier: state.earlier }),
    leases,
    usage,
    audit,
  };
}

import type { AccessUnit } from "../domain/access.ts";
import type { Credential } from "../domain/credential.ts";
import type { ExchangeAsk, ExchangePlan, Target } from "../domain/exchange.ts";
import type { CutOffs } from "../domain/cut-off.ts";
import type { UnitCall } from "../domain/judged-calls.ts";
import type { Limits } from "../domain/limits.ts";
import type { ApprovalPlan } from "../domain/policy.ts";
import type { LeaseStatement, UsageStatement } from "../domain/receipt.ts";
import type { SessionRequest } from "../domain/request.ts";
import type { ServerAsk } from "../domain/server-calls.ts";
import type { PresentedCode, SessionState } from "../domain/session.ts";
import type { OneTime, OneTimeFault } from "./one-time.ts";
import type { SessionSetting } from "./session-store.ts";
import type { AskChannel } from "./session-work.ts";

/** What the tenant says of the session's client now. */
export interface Standing {
  /** Patterns of all policies in force for this client. */
  readonly allow: readonly string[];
  /** Sessions asked for until then (epoch seconds) are dead. */
  readonly killedUntil?: number | undefined;
  /** Among them, until when what an approver decided is dead. */
  readonly cutOffs?: CutOffs | undefined;
}

export interface OpenCommand {
  readonly request: SessionRequest;
  readonly requestDigest: string;
  readonly plan: ApprovalPlan;
  readonly setting: SessionSetting;
  /** The channels on which each approver is told. */
  readonly channels: readonly AskChannel[];
}

/** A token of this session, already verified. */
export interface PresentedToken {
  readonly jti: string;
}

export interface PollCommand {
  readonly client_id: string;
  readonly client_document: string | undefined;
  readonly proof: OneTime;
  /** Thumbprint of the key that signed the proof. */
  readonly jkt: string;
  /** The id of the session token, if it comes to that. */
  readonly jti: string;
  readonly standing: Standing;
}

export interface RedeemCodeCommand {
  readonly presented: PresentedCode;
  /** The proof that came with it; none for a client that is allowed a bearer token. */
  readonly proof?: OneTime | undefined;
  readonly jkt?: string | undefined;
  readonly jti: string;
  readonly standing: Standing;
  /** The audience that was asked for; undefined for the issuer itself. */
  readonly target?: Target | undefined;
  /** What today's policy limits of it, where it is not counted. */
  readonly limitedNow?: readonly AccessUnit[] | undefined;
}

/** Where an authorization request stands, for the browser that began it. */
export type CodeProgress =
  | { readonly kind: "waiting" }
  | { readonly kind: "decided"; readonly description: SessionDescription; readonly approved: boolean };

/** What every use of a token brings. */
export interface UseCommand {
  readonly token: PresentedToken;
  readonly proof: OneTime;
  readonly standing: Standing;
}

export interface ExchangeCommand extends UseCommand {
  readonly ask: ExchangeAsk;
  /** The id of the token to be minted, whose key it is bound to, and the server that acts. */
  readonly mint: { readonly jti: string; readonly jkt: string; readonly actor?: string | undefined };
}

/** A server asks for an upstream's own token. */
export interface HandOutCommand extends UseCommand {
  readonly ask: ExchangeAsk;
  readonly server: string;
}

export interface CallCommand extends UseCommand {
  readonly upstream: string;
  /** All that one request carries out; what stands in it several times is named once. */
  readonly calls: readonly UnitCall[];
  readonly method: string;
  /** The limits of the token that was shown and of today's policy, beside those of the grant. */
  readonly limits: Limits;
  /** Bytes of the request's body, as far as they are known. */
  readonly bodyBytes: number;
  /** What the event of each call says besides. */
  readonly about?: Readonly<Record<string, string>> | undefined;
}

/** One request to a registered server; its usage is counted under `mcp:` and the server's id, as `upstream`. */
export interface ServerCallCommand extends CallCommand, ServerAsk {
  readonly calls: readonly UnitCall[];
  /** What is to be called after this, which only connects: it has to be granted already, and is not counted yet. */
  readonly ahead?: readonly UnitCall[];
  /** The id of the token for the server, and the key of Stint's own that it is bound to: none for a server that takes unbound ones. */
  readonly mint: { readonly jti: string; readonly jkt?: string | undefined };
}

/** A request that was let through to a server, with what it is shown. */
export interface ServerPermit {
  readonly token: Minting;
  readonly reserved_bytes: number;
  /** When the session ends, epoch seconds. */
  readonly ends_at: number;
}

/** A call that was let through turns out to need more bytes. */
export interface ReserveCommand {
  readonly upstream: string;
  /** As in the {@link CallCommand}. */
  readonly limits: Limits;
  readonly neededBytes: number;
  /** What it would have besides, if there is plenty. */
  readonly spareBytes: number;
}

/** The head of an answer says how many bytes its call needs. */
export interface AnswerCommand {
  readonly upstream: string;
  /** As in the {@link CallCommand}. */
  readonly limits: Limits;
  readonly reservedBytes: number;
  /** As many as are reserved where the head does not say. */
  readonly neededBytes: number;
}

/** A token that is recorded and may be signed. */
export interface Minting extends ExchangePlan {
  readonly session_id: string;
  readonly sub: string;
  readonly client_id: string;
  readonly grant_digest: string;
  readonly jti: string;
  /** Thumbprint of the key it is bound to; absent for a bearer token. */
  readonly jkt?: string | undefined;
  readonly audience: string;
}

export interface CallPermit {
  readonly credential: Credential;
  /** Bytes that may pass without asking again. */
  readonly reserved_bytes: number;
  readonly lease_id: string;
  /** When the session ends, epoch seconds: nothing may be delivered after it. */
  readonly ends_at: number;
}

/** What an upstream did with the credential that it was shown: refused it, or showed it again. */
export interface UpstreamMisdeed {
  readonly kind: "credential_refused" | "credential_echoed";
  readonly jti: string;
  readonly upstream: string;
  readonly lease_id: string;
}

/** One thing that happened in a session, as far as it says anything to a human. */
export interface Activity {
  /** Epoch seconds. */
  readonly at: number;
  readonly type: string;
  readonly unit?: string | undefined;
  readonly method?: string | undefined;
  readonly audience?: string | undefined;
  readonly server?: string | undefined;
  readonly upstream?: string | undefined;
  readonly reason?: string | undefined;
}

export interface SessionDescription {
  readonly state: SessionState;
  readonly setting: SessionSetting;
  readonly leases: readonly LeaseStatement[];
  readonly usage: UsageStatement;
  readonly receipt: string | undefined;
}

export type LiveFault = "unknown_session" | "ended" | "token_revoked" | "not_redeemed";

export type UseFault = LiveFault | OneTimeFault;

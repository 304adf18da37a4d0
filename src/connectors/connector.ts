import type { UpstreamAccess } from "../domain/access.ts";
import type { Credential } from "../domain/credential.ts";
import type { Enforcement } from "../domain/facts.ts";
import type { Result } from "../domain/result.ts";
import type { Catalogue, Operation } from "../domain/tenant.ts";
import type { LinkedUpstream, OAuth2RefreshUpstream, Upstream } from "../domain/upstream.ts";
import type { Outbound, OutboundFault } from "./outbound.ts";

/** What a connector may use. */
export interface ConnectorContext<U extends Upstream> {
  readonly upstream: U;
  readonly outbound: Outbound;
  /** Opens a secret that the tenant's document names. */
  readonly readSecret: (name: string) => Promise<string | undefined>;
  /** Epoch seconds. */
  readonly now: number;
}

export interface MintRequest<U extends Upstream> extends ConnectorContext<U> {
  readonly catalogue: Catalogue;
  /** Everything that the session was granted at this upstream. */
  readonly access: readonly UpstreamAccess[];
  readonly session: SessionFacts;
  /** Signs claims as Stint, for an upstream that trusts it. */
  readonly signAsStint: (claims: object) => Promise<string>;
  /** Uses a refresh token where nobody else can use it at the same time. */
  readonly refresh: (upstream: OAuth2RefreshUpstream, scope: string) => Promise<Result<IssuedToken, ConnectorFault>>;
  /** Uses the account that the person linked for whom the session works. */
  readonly draw: (upstream: LinkedUpstream, scope: string) => Promise<Result<IssuedToken, ConnectorFault>>;
}

/** What an upstream may be told of the session that a credential is for. */
export interface SessionFacts {
  readonly issuer: string;
  readonly session_id: string;
  readonly client_id: string;
  readonly sub: string;
  /** The end of the session, epoch seconds. */
  readonly expires_at: number;
}

export interface RevokeRequest<U extends Upstream> extends ConnectorContext<U> {
  readonly handle: string;
}

/** What a token endpoint gave, RFC 6749 §5.1. */
export interface IssuedToken {
  readonly access_token: string;
  /** In seconds. */
  readonly expires_in?: number | undefined;
  readonly scope?: string | undefined;
}

/** How a credential can end: taken back, by itself, or not at all. */
export type CredentialEnd = "revocable" | "expires" | "irrevocable";

/** A credential as the upstream gave it. Sealed as soon as it is here. */
export interface Minted {
  readonly credential: Credential;
  /** What taking it back needs. */
  readonly handle: string;
  readonly ends: CredentialEnd;
  /** Epoch seconds, where the upstream said so. */
  readonly expiresAt: number | undefined;
  /** What the upstream gave, where it tells; a call that needs more is refused. */
  readonly scopes?: readonly string[] | undefined;
}

export type ConnectorFault =
  /** It answered that it cannot; another try may succeed. */
  | { readonly kind: "upstream_unavailable" }
  /** Nothing readable came back: it may have done what it was asked, and nobody knows. */
  | { readonly kind: "answer_lost" }
  /** It answered, and the answer was no. */
  | { readonly kind: "upstream_refused"; readonly status: number }
  /** It gave more than was asked. What it gave is not to be used, and to be taken back. */
  | { readonly kind: "too_wide"; readonly minted: Minted }
  /** What stands behind all credentials of this upstream is lost, until the operator renews it. */
  | { readonly kind: "upstream_broken" }
  /** The person for whom the session works has linked no account. */
  | { readonly kind: "not_linked" }
  /** The tenant's configuration lacks something. */
  | { readonly kind: "misconfigured"; readonly missing: string };

/** Who holds a credential to what was granted, beside Stint's proxy. */
export type UpstreamEnforcement = Exclude<Enforcement, "upstream_alone" | "server">;

/** What an operator should know of an upstream's credentials. */
export interface Description {
  /** Whether each session has a credential of its own. */
  readonly credential: "per_session" | "shared";
  /** Whether a mint that was cut off may have left a credential behind at the upstream. */
  readonly orphans: "possible" | "none";
  /** How long the upstream lets one live at most, where that is known, in seconds. */
  readonly longestSeconds?: number;
  readonly ends: CredentialEnd;
}

/** One kind of upstream: how its credentials are made, narrowed, and taken back. */
export interface Connector<U extends Upstream> {
  mint(request: MintRequest<U>): Promise<Result<Minted, ConnectorFault>>;
  revoke(request: RevokeRequest<U>): Promise<Result<"revoked", ConnectorFault>>;
  /** Who enforces a grant of these operations. */
  narrowing(upstream: U, operations: readonly Operation[]): UpstreamEnforcement;
  describe(upstream: U): Description;
}

/** What a call without an answer may have done: one that was never sent, nothing; any other, who knows. */
export function unanswered({ kind }: OutboundFault): { readonly kind: "upstream_unavailable" | "answer_lost" } {
  return { kind: kind === "refused_address" ? "upstream_unavailable" : "answer_lost" };
}

import type { UpstreamAccess } from "../domain/access.ts";
import type { Result } from "../domain/result.ts";
import type { Catalogue, Upstream } from "../domain/tenant.ts";
import type { Outbound } from "./outbound.ts";

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
  /** The end of the session, epoch seconds. */
  readonly notAfter: number;
}

export interface RevokeRequest<U extends Upstream> extends ConnectorContext<U> {
  readonly handle: string;
}

/** A header for the upstream, with the secret in it. */
export interface Credential {
  readonly header: string;
  readonly value: string;
}

/** A credential as the upstream gave it. Sealed as soon as it is here. */
export interface Minted {
  readonly credential: Credential;
  /** What taking it back needs. */
  readonly handle: string;
  /** How it can end: taken back, by itself, or not at all. */
  readonly ends: "revocable" | "expires" | "irrevocable";
  /** Epoch seconds, where the upstream said so. */
  readonly expiresAt: number | undefined;
}

export type ConnectorFault =
  /** It did not answer properly; another try may succeed. */
  | { readonly kind: "upstream_unavailable" }
  /** It answered, and the answer was no. */
  | { readonly kind: "upstream_refused"; readonly status: number }
  /** The tenant's configuration lacks something. */
  | { readonly kind: "misconfigured"; readonly missing: string };

/** One kind of upstream: how its credentials are made, and taken back. */
export interface Connector<U extends Upstream> {
  mint(request: MintRequest<U>): Promise<Result<Minted, ConnectorFault>>;
  revoke(request: RevokeRequest<U>): Promise<Result<"revoked", ConnectorFault>>;
}

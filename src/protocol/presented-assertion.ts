/** A client's authentication as its request brings it, RFC 7521 §4.2: read, and not yet believed. */
export interface PresentedAssertion {
  readonly client_id?: string | undefined;
  readonly client_assertion_type?: string | undefined;
  readonly client_assertion?: string | undefined;
  /** Nobody has one here. */
  readonly client_secret?: string | undefined;
}

/** What makes an upstream let a call in. Sealed at rest, injected by the proxy, shown to nobody. */
export type Credential =
  | { readonly kind: "header"; readonly header: string; readonly value: string }
  | { readonly kind: "query"; readonly parameter: string; readonly value: string }
  /** A token bound to a key of Stint's own, RFC 9449, which is proved anew at every call. */
  | { readonly kind: "dpop"; readonly token: string; readonly privateJwk: { readonly kty: string } };

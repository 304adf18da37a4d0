/** What makes an upstream let a call in. Sealed at rest, injected by the proxy, shown to nobody. */
export type Credential =
  | { readonly kind: "header"; readonly header: string; readonly value: string }
  | { readonly kind: "query"; readonly parameter: string; readonly value: string }
  /** Temporary keys of AWS, with which each call is signed. */
  | {
      readonly kind: "aws";
      readonly access_key_id: string;
      readonly secret_access_key: string;
      readonly session_token: string;
      readonly region: string;
      readonly service: string;
    }
  /** A token bound to a key of Stint's own, RFC 9449, which is proved anew at every call. */
  | { readonly kind: "dpop"; readonly token: string; readonly privateJwk: { readonly kty: string } };

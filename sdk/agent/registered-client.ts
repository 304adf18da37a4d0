import { ClientKey, type RegisteredKey } from "../shared/client-key.ts";

/** How a client proves at a token endpoint who it is: `token_endpoint_auth_method` (RFC 7591 §2), and with what. */
export type ClientAuthentication =
  | { readonly method: "none" }
  | { readonly method: "private_key_jwt"; readonly key: RegisteredKey }
  | SharedSecret;

export interface SharedSecret {
  readonly method: "client_secret_basic" | "client_secret_post";
  readonly secret: string;
  /** Epoch seconds; without it the secret does not run out. */
  readonly expiresAt?: number;
}

/** A client as one authorization server knows it. What belongs to that issuer is shown to no other. */
export interface RegisteredClient {
  /** Byte for byte as the authorization server's metadata says. */
  readonly issuer: string;
  readonly clientId: string;
  readonly authentication: ClientAuthentication;
}

/** What a token request carries beside its grant. */
export interface Authenticated {
  readonly headers: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Authenticates one token request (RFC 6749 §2.3, RFC 7523 §2.2). An assertion is good once. */
export async function authenticate({ issuer, clientId, authentication }: RegisteredClient): Promise<Authenticated> {
  switch (authentication.method) {
    case "none":
      return { headers: {}, parameters: { client_id: clientId } };
    case "private_key_jwt": {
      const assertion = await new ClientKey(clientId, issuer, authentication.key).assertion();
      return { headers: {}, parameters: { client_id: clientId, ...assertion } };
    }
    case "client_secret_post":
      return { headers: {}, parameters: { client_id: clientId, client_secret: authentication.secret } };
    case "client_secret_basic": {
      // One way of authenticating a request, RFC 6749 §2.3: the identifier is in the header alone.
      const pair = `${formEncoded(clientId)}:${formEncoded(authentication.secret)}`;
      return { headers: { authorization: `Basic ${btoa(pair)}` }, parameters: {} };
    }
  }
}

/** Whether a client can still prove who it is. */
export function isUsable({ authentication }: RegisteredClient): boolean {
  return !("expiresAt" in authentication) || (authentication.expiresAt ?? Infinity) > Date.now() / 1000;
}

/** RFC 6749 Appendix B. What a form leaves as it is stays, for servers that forget to decode. */
function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

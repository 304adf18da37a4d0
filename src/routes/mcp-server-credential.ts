import { newOwnProofKey, type OwnProofKey } from "../crypto/own-proof.ts";
import type { Credential } from "../domain/credential.ts";
import type { Server } from "../domain/tenant.ts";
import type { Minting } from "../durable/session-commands.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { signMinting } from "./token-answer.ts";

/** Who calls a server: the gateway, with a key of its own where the server wants one proved. */
export interface ServerCaller {
  readonly c: Handling;
  readonly server: Server;
  /** None for a server that is configured to take tokens which are bound to no key. */
  readonly key: OwnProofKey | undefined;
}

/** Lives as long as the isolate and is written nowhere: each token is made for one request. */
let ownKey: OwnProofKey | undefined;

/** The key that this gateway's tokens are bound to: an agent that saw one could do nothing with it. */
export async function gatewayKey(): Promise<OwnProofKey> {
  ownKey ??= await newOwnProofKey();
  return ownKey;
}

/** What a server is shown of a token that the session has recorded. */
export async function serverCredential({ c, key }: ServerCaller, minting: Minting): Promise<Credential> {
  const token = await signMinting(c, minting, nowSeconds());
  return key === undefined
    ? { kind: "header", header: "authorization", value: `Bearer ${token}` }
    : { kind: "dpop", token, privateJwk: key.privateJwk };
}

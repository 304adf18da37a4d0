import type { RegisteredKey } from "../shared/client-key.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import { StintError } from "../shared/stint-error.ts";
import type { Discovered } from "./discovery.ts";
import { isUsable, type ClientAuthentication, type RegisteredClient } from "./registered-client.ts";
import { registerClient, type Registration } from "./registration.ts";

/** As whom a client comes to an authorization server: the first of these that applies there. */
export interface ClientIdentity {
  /** What it was registered as, by hand or by itself earlier, each at its issuer. */
  readonly registered?: readonly RegisteredClient[];
  /** Its metadata document, for every server that reads such documents, and the key that the document names. */
  readonly document?: { readonly url: string; readonly key?: RegisteredKey };
  /** Has it register itself wherever it is not known yet (RFC 7591). */
  readonly register?: Registration;
}

/**
 * Finds the client that an authorization server knows, in the order of MCP authorization (Client
 * Registration): registered there, by its metadata document, by registering now.
 */
export class ClientFinder {
  readonly #identity: ClientIdentity;
  readonly #redirectUri: string;
  readonly #fetch: Fetch;
  /** By issuer: one server's credentials are never another's (MCP authorization, Authorization Server Binding). */
  readonly #made = new Map<string, RegisteredClient>();

  constructor(identity: ClientIdentity, redirectUri: string, fetch: Fetch) {
    this.#identity = identity;
    this.#redirectUri = redirectUri;
    this.#fetch = fetch;
  }

  /** @throws {StintError} where it is not known, and cannot or may not register */
  async clientAt(server: Discovered): Promise<RegisteredClient> {
    const { registered = [], document, register } = this.#identity;
    const known = registered.find((client) => client.issuer === server.issuer && isUsable(client));
    if (known !== undefined) return known;
    if (document !== undefined && server.readsDocuments) return asDocument(document, server.issuer);
    const made = this.#made.get(server.issuer);
    if (made !== undefined && isUsable(made)) return made;
    if (register === undefined)
      throw new StintError("unregistered_client", `this client is not registered at ${server.issuer}`, 0);
    const client = await registerClient(register, this.#redirectUri, server, this.#fetch);
    // RFC 9700 §4.4: with the name it has elsewhere, the human could be led to approve it there.
    if (this.#isKnownElsewhere(client))
      throw new StintError("invalid_registration", "the registration is of a client of another server", 0);
    this.#made.set(server.issuer, client);
    await register.keep?.(client);
    return client;
  }

  /** Registers anew the next time, where the server no longer knows what it registered. */
  forget({ issuer }: RegisteredClient): void {
    this.#made.delete(issuer);
  }

  #isKnownElsewhere({ clientId, issuer }: RegisteredClient): boolean {
    const { registered = [], document } = this.#identity;
    const others = [...registered, ...this.#made.values()].filter((client) => client.issuer !== issuer);
    return clientId === document?.url || others.some((client) => client.clientId === clientId);
  }
}

function asDocument({ url, key }: { url: string; key?: RegisteredKey }, issuer: string): RegisteredClient {
  const authentication: ClientAuthentication =
    key === undefined ? { method: "none" } : { method: "private_key_jwt", key };
  return { issuer, clientId: url, authentication };
}

import type { Fetch } from "../shared/dpop-sender.ts";
import { StintError } from "../shared/stint-error.ts";
import { challengedFetch, type AccessOptions } from "./challenged-fetch.ts";
import { discover, type Discovered } from "./discovery.ts";
import type { ClientAuthentication, RegisteredClient } from "./registered-client.ts";
import { demandBinding, demandGrant, requestToken } from "./token-request.ts";

const JWT_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** How a program gets at a server of somebody else's with what was issued to the program itself. */
export interface OwnAccessOptions extends AccessOptions {
  /** As whom its owner registered it. Its issuer is the only one that is asked. */
  readonly client: RegisteredClient;
  /** Nothing that a server says adds to it. */
  readonly scope?: string;
}

export interface CredentialsAccessOptions extends OwnAccessOptions {
  readonly client: RegisteredClient & { readonly authentication: Exclude<ClientAuthentication, { method: "none" }> };
}

export interface AssertionAccessOptions extends OwnAccessOptions {
  /** Answers a JWT that the issuer believes: a workload's own, or an `enterpriseAssertion`. */
  readonly assertion: Assert;
}

/** For whom an assertion is, and what for. */
export interface AssertionAsk {
  readonly issuer: string;
  readonly resource: string;
  readonly scope?: string;
}

export type Assert = (ask: AssertionAsk) => Promise<string>;

/**
 * A `fetch` for a server that takes a program's own credentials (RFC 6749 §4.4). No human decides on
 * this: it is not for Stint, which has no such grant, but for servers of others.
 */
export function credentialsAccess(options: CredentialsAccessOptions): Fetch {
  return ownAccess(options, "client_credentials", async () => ({}));
}

/**
 * A `fetch` for a server that believes an assertion (RFC 7523 §2.1): of the platform that the program
 * runs on (workload identity), or of the enterprise whose member it works for. Stint answers such a
 * grant with a request that a human must approve, which is for `Agent` to make.
 */
export function assertionAccess({ assertion, ...options }: AssertionAccessOptions): Fetch {
  return ownAccess(options, JWT_BEARER_GRANT, async (ask) => ({ assertion: await assertion(ask) }));
}

function ownAccess(
  options: OwnAccessOptions,
  grantType: string,
  proven: (ask: AssertionAsk) => Promise<Readonly<Record<string, string>>>,
): Fetch {
  const { client, allowBearer, scope } = options;
  const asked = scope === undefined ? {} : { scope };
  let waiting: StintError | undefined;
  return challengedFetch(options, {
    obtain: async (challenge, resource, wires) => {
      if (waiting !== undefined) throw waiting;
      const server = await discover(resource, challenge.resourceMetadata, { issuers: [client.issuer] }, wires.fetch);
      demandIssuer(server, client);
      demandGrant(server, grantType);
      demandBinding(server, allowBearer);
      const { issuer, resource: audience } = server;
      const proof = await proven({ issuer, resource: audience, ...asked });
      try {
        return await requestToken(server, client, { grant_type: grantType, ...asked, ...proof }, wires);
      } catch (fault) {
        // A human was asked, as Stint does; each further grant would ask them once more.
        if (fault instanceof StintError && fault.code === "authorization_pending") waiting = fault;
        throw fault;
      }
    },
    canWiden: () => false,
  });
}

/** A resource that names another server has neither the credentials nor an assertion sent there. */
function demandIssuer({ issuer }: Discovered, { issuer: registeredAt }: RegisteredClient): void {
  if (issuer !== registeredAt)
    throw new StintError("unregistered_client", `this client is not registered at ${issuer}`, 0);
}

import type { DpopSender, Fetch } from "../shared/dpop-sender.ts";
import { readJson, refusalIn, StintError } from "../shared/stint-error.ts";
import { refused, type Discovered } from "./discovery.ts";
import { authenticate, type RegisteredClient } from "./registered-client.ts";

/** How long a token endpoint may take to answer, in milliseconds. */
const DEADLINE_MS = 30_000;

/** A token for one resource. */
export interface Held {
  readonly token: string;
  readonly bearer: boolean;
  /** Whether the resource let it in at least once. */
  accepted: boolean;
}

/** What requests go out by. */
export interface Wires {
  readonly sender: DpopSender;
  readonly fetch: Fetch;
}

/** A token that is bound to no key is taken only from who can issue no other, and only if that is allowed. */
export function demandBinding({ dpop }: Discovered, allowBearer: boolean | undefined): void {
  if (!dpop && allowBearer !== true) throw refused("the authorization server cannot bind a token to a key");
}

/** A server is sent no credentials for a grant that it does not say it has. */
export function demandGrant({ grantTypes }: Discovered, grantType: string): void {
  if (!grantTypes.includes(grantType)) throw refused(`the authorization server has no grant ${grantType}`);
}

/** Asks for a token for the resource, bound to the sender's key where the server can (RFC 9449 §5). */
export async function requestToken(
  server: Discovered,
  client: RegisteredClient,
  grant: Readonly<Record<string, string>>,
  wires: Wires,
): Promise<Held> {
  const form = { ...grant, resource: server.resource };
  const { access_token: token, token_type: type } = await redeem(server, client, form, wires);
  // RFC 9449 §5: where a bound token was asked for, no other is taken.
  const expected = server.dpop ? "dpop" : "bearer";
  if (typeof token !== "string" || String(type).toLowerCase() !== expected)
    throw new StintError("invalid_token_answer", "the token that was issued is not bound to this key", 0);
  return { token, bearer: !server.dpop, accepted: false };
}

/** The answer of a token endpoint to a grant (RFC 6749 §4, §5.1). */
export async function redeem(
  { tokenEndpoint, dpop }: Discovered,
  client: RegisteredClient,
  grant: Readonly<Record<string, string>>,
  { sender, fetch }: Wires,
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const attempt = async () => {
    const { headers, parameters } = await authenticate(client);
    return {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json", ...headers },
      body: new URLSearchParams({ ...grant, ...parameters }).toString(),
      signal,
    };
  };
  const response = dpop
    ? await sender.send(tokenEndpoint, attempt)
    : await fetch(tokenEndpoint, { ...(await attempt()), redirect: "manual" });
  if (!response.ok) throw await refusalIn(response);
  return readJson(response);
}

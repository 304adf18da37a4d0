import { canSendAgain, DpopSender, type Fetch } from "../shared/dpop-sender.ts";
import type { ProofKey } from "../shared/proof-key.ts";
import { isWithin } from "../shared/resource-fetch.ts";
import { StintError } from "../shared/stint-error.ts";
import { readChallenge, type Challenge } from "./challenge.ts";
import { isGuarded } from "./discovery.ts";
import type { Held, Wires } from "./token-request.ts";

/** What any access to a server that is known by its address alone takes. */
export interface AccessOptions {
  /** The resource URI of the server. */
  readonly resource: string;
  /** The key that tokens are bound to; without one, a key that cannot be taken out of this process. */
  readonly proofKey?: ProofKey;
  /** Takes tokens that are bound to no key, from servers that can issue no other. */
  readonly allowBearer?: boolean;
  readonly fetch?: Fetch;
}

/** How a token is got when the resource turns a call away. */
export interface Way {
  readonly obtain: (challenge: Challenge, resource: URL, wires: Wires) => Promise<Held>;
  /** Whether what a 403 asks for is worth asking for. */
  readonly canWiden: (challenge: Challenge) => boolean;
}

/**
 * A `fetch` for one resource that obtains a token when it is turned away, and tries again.
 *
 * @throws {TypeError} for a resource that is neither https nor on this machine (RFC 9728 §1.2): who writes
 *   on the way would say who issues its tokens
 */
export function challengedFetch(options: AccessOptions, { obtain, canWiden }: Way): Fetch {
  const resource = new URL(options.resource);
  if (!isGuarded(resource)) throw new TypeError(`${options.resource} is no resource; http is for loopback alone`);
  const plainFetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const sender = new DpopSender(options.proofKey, plainFetch);
  let held: Held | undefined;
  let obtaining: Promise<Held> | undefined;

  const send = async (url: URL, init: RequestInit, access: Held | undefined): Promise<Response> => {
    const response = await sendAs(url, init, access);
    if (access !== undefined && response.status !== 401) access.accepted = true;
    return response;
  };

  const sendAs = (url: URL, init: RequestInit, access: Held | undefined): Promise<Response> => {
    const method = (init.method ?? "GET").toUpperCase();
    if (access !== undefined && !access.bearer)
      return sender.send(url, async () => ({ ...init, method }), access.token);
    const headers = new Headers(init.headers);
    if (access === undefined) headers.delete("authorization");
    else headers.set("authorization", `Bearer ${access.token}`);
    return plainFetch(url, { ...init, headers, redirect: "manual" });
  };

  const obtainOnce = (challenge: Challenge): Promise<Held> => {
    obtaining ??= obtain(challenge, resource, { sender, fetch: plainFetch }).finally(() => {
      obtaining = undefined;
    });
    return obtaining;
  };

  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (input instanceof Request) throw new TypeError("give the address and its init, not a Request");
    if (!isWithin(resource, url))
      throw new StintError("invalid_target", `this access is for ${options.resource} and goes nowhere else`, 0);
    let used = held;
    let response = await send(url, init, used);
    for (const status of [401, 403]) {
      const challenge = readChallenge(response);
      // What never opened anything is not asked for twice.
      const isWorthAsking = status === 401 ? used === undefined || used.accepted : canWiden(challenge);
      if (response.status !== status || !isWorthAsking) continue;
      // Another call may have come back with a token meanwhile.
      if (held === used) held = await obtainOnce(challenge);
      used = held;
      // What was sent away with the body is gone; the next call has what this one lacked.
      if (!canSendAgain(init.body)) return response;
      await response.body?.cancel();
      response = await send(url, init, used);
    }
    return response;
  };
}

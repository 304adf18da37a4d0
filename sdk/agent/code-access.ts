import { ClientKey, type RegisteredKey } from "../shared/client-key.ts";
import { randomText, sha256 } from "../shared/digest.ts";
import { canSendAgain, DpopSender, type Fetch } from "../shared/dpop-sender.ts";
import { thumbprintOf, type ProofKey } from "../shared/proof-key.ts";
import { isWithin } from "../shared/resource-fetch.ts";
import { readJson, refusalIn, StintError } from "../shared/stint-error.ts";
import { readChallenge, type Challenge } from "./challenge.ts";
import { discover, type Discovered } from "./discovery.ts";

/** How an agent gets at a server by authorization code: through a browser, where a human decides. */
export interface CodeAccessOptions {
  /** The resource URI of the server. */
  readonly resource: string;
  /** A registered `client_id`, or the address of a metadata document. */
  readonly clientId: string;
  readonly redirectUri: string;
  /** Has the human's browser open an address, and answers the one that it came back to. */
  readonly authorize: (url: URL) => Promise<URL>;
  /** The private half of the registered key, unless the client is public. */
  readonly key?: RegisteredKey;
  readonly proofKey?: ProofKey;
  /** Takes tokens that are bound to no key, from servers that can issue no other. */
  readonly allowBearer?: boolean;
  readonly fetch?: Fetch;
}

interface Held {
  readonly token: string;
  readonly bearer: boolean;
  /** Whether the resource let it in at least once. */
  accepted: boolean;
}

/**
 * A `fetch` for a server that is known by its address alone: when it is turned away, it finds out who
 * issues tokens, has a human decide in a browser (OAuth 2.1, PKCE, RFC 9207, RFC 8707, DPoP), and tries
 * again. What was refused for want of scope is asked for once, with all that was asked for before.
 */
export function codeAccess(options: CodeAccessOptions): Fetch {
  const resource = new URL(options.resource);
  const plainFetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const sender = new DpopSender(options.proofKey, plainFetch);
  const asked = new Set<string>();
  let held: Held | undefined;
  let authorizing: Promise<Held> | undefined;

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

  const authorizeOnce = (challenge: Challenge): Promise<Held> => {
    authorizing ??= obtain(options, resource, challenge, asked, sender, plainFetch).finally(() => {
      authorizing = undefined;
    });
    return authorizing;
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
      if (response.status !== status || !isWorthAsking(status, challenge, asked, used)) continue;
      // Another call may have come back with a token meanwhile.
      if (held === used) held = await authorizeOnce(challenge);
      used = held;
      // What was sent away with the body is gone; the next call has what this one lacked.
      if (!canSendAgain(init.body)) return response;
      await response.body?.cancel();
      response = await send(url, init, used);
    }
    return response;
  };
}

/**
 * A human is not asked for what changes nothing: after a 401 to a token that never opened anything, or
 * a 403 that names no scope that was not asked for yet.
 */
function isWorthAsking(
  status: number,
  { error, scope }: Challenge,
  asked: ReadonlySet<string>,
  used: Held | undefined,
): boolean {
  if (status === 401) return used === undefined || used.accepted;
  return error === "insufficient_scope" && wordsOf(scope).some((word) => !asked.has(word));
}

async function obtain(
  options: CodeAccessOptions,
  resource: URL,
  challenge: Challenge,
  asked: Set<string>,
  sender: DpopSender,
  fetch: Fetch,
): Promise<Held> {
  const server = await discover(resource, challenge.resourceMetadata, fetch);
  if (!server.dpop && options.allowBearer !== true)
    throw new StintError("invalid_metadata", "the authorization server cannot bind a token to a key", 0);
  for (const word of challenge.scope === undefined ? server.scopesSupported : wordsOf(challenge.scope)) asked.add(word);
  const verifier = randomText();
  const code = await askHuman(options, server, [...asked].join(" "), verifier, sender);
  const form = {
    grant_type: "authorization_code",
    code,
    redirect_uri: options.redirectUri,
    code_verifier: verifier,
    resource: server.resource,
    client_id: options.clientId,
  };
  const attempt = async () => ({
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
    body: new URLSearchParams({ ...form, ...(await assertionFor(options, server)) }).toString(),
  });
  const response = server.dpop
    ? await sender.send(server.tokenEndpoint, attempt)
    : await fetch(server.tokenEndpoint, { ...(await attempt()), redirect: "manual" });
  if (!response.ok) throw await refusalIn(response);
  const { access_token: token, token_type: type } = await readJson(response);
  // RFC 9449 §5: where a bound token was asked for, no other is taken.
  const expected = server.dpop ? "dpop" : "bearer";
  if (typeof token !== "string" || String(type).toLowerCase() !== expected)
    throw new StintError("invalid_token_answer", "the token that was issued is not bound to this key", 0);
  return { token, bearer: !server.dpop, accepted: false };
}

/** Sends the human to the authorization server, and reads what they came back with. */
async function askHuman(
  options: CodeAccessOptions,
  server: Discovered,
  scope: string,
  verifier: string,
  sender: DpopSender,
): Promise<string> {
  const state = randomText();
  const url = new URL(server.authorizationEndpoint);
  const parameters = {
    response_type: "code",
    client_id: options.clientId,
    redirect_uri: options.redirectUri,
    code_challenge: await sha256(verifier),
    code_challenge_method: "S256",
    state,
    resource: server.resource,
    ...(scope === "" ? {} : { scope }),
    ...(server.dpop ? { dpop_jkt: await thumbprintOf(await sender.key()) } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const { searchParams: back } = await options.authorize(url);
  // RFC 9700 §4.7, RFC 9207 §2.4: an answer to another request, or of another server, is not read further.
  if (back.get("state") !== state) throw new StintError("invalid_answer", "the answer is not to this request", 0);
  const issuer = back.get("iss");
  if (issuer === null ? server.namesIssuer : issuer !== server.issuer)
    throw new StintError("invalid_answer", "the answer is not of the authorization server that was asked", 0);
  const code = back.get("code");
  if (code === null)
    throw new StintError(
      back.get("error") ?? "invalid_answer",
      back.get("error_description") ?? "no code came back",
      0,
    );
  return code;
}

async function assertionFor({ key, clientId }: CodeAccessOptions, { issuer }: Discovered): Promise<object> {
  return key === undefined ? {} : new ClientKey(clientId, issuer, key).assertion();
}

function wordsOf(scope: string | undefined): string[] {
  return (scope ?? "").split(" ").filter((word) => word !== "");
}

import { randomText, sha256 } from "../shared/digest.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import { thumbprintOf } from "../shared/proof-key.ts";
import { StintError } from "../shared/stint-error.ts";
import { challengedFetch, type AccessOptions } from "./challenged-fetch.ts";
import { ClientFinder, type ClientIdentity } from "./client-identity.ts";
import { discover, refused, type Discovered } from "./discovery.ts";
import { demandBinding, requestToken, type Held, type Wires } from "./token-request.ts";

/** How an agent gets at a server by authorization code: through a browser, where a human decides. */
export interface CodeAccessOptions extends AccessOptions {
  readonly client: ClientIdentity;
  readonly redirectUri: string;
  /** Has the human's browser open an address, and answers the one that it came back to. */
  readonly authorize: (url: URL) => Promise<URL>;
  /**
   * Takes a server that has no protected resource metadata to be its own authorization server, as in
   * MCP's revision of 2025-03-26. If it has no metadata of its own either, nothing but that revision
   * says that it checks PKCE.
   */
  readonly allowSelfIssued?: boolean;
}

/**
 * A `fetch` for a server that is known by its address alone: when it is turned away, it finds out who
 * issues tokens, has a human decide in a browser (OAuth 2.1, PKCE, RFC 9207, RFC 8707, DPoP), and tries
 * again. What was refused for want of scope is asked for once, with all that was asked for before.
 */
export function codeAccess(options: CodeAccessOptions): Fetch {
  const { client, allowSelfIssued } = options;
  const issuers = client.registered?.map(({ issuer }) => issuer) ?? [];
  const asked = new Set<string>();
  let finder: ClientFinder | undefined;
  return challengedFetch(options, {
    obtain: async (challenge, resource, wires) => {
      const server = await discover(resource, challenge.resourceMetadata, { issuers, allowSelfIssued }, wires.fetch);
      demandBinding(server, options.allowBearer);
      finder ??= new ClientFinder(client, options.redirectUri, wires.fetch);
      const wanted = challenge.scope === undefined ? server.scopesSupported : wordsOf(challenge.scope);
      return obtainByCode(options, server, wanted, asked, finder, wires);
    },
    // A human is not asked for what changes nothing.
    canWiden: ({ error, scope }) => error === "insufficient_scope" && wordsOf(scope).some((word) => !asked.has(word)),
  });
}

async function obtainByCode(
  options: CodeAccessOptions,
  server: Discovered,
  wanted: readonly string[],
  asked: Set<string>,
  finder: ClientFinder,
  wires: Wires,
): Promise<Held> {
  const endpoint = server.authorizationEndpoint;
  if (endpoint === undefined) throw refused("the authorization server takes no code with PKCE and S256");
  const client = await finder.clientAt(server);
  for (const word of wanted) asked.add(word);
  const scope = [...asked].join(" ");
  const verifier = randomText();
  const redirect_uri = options.redirectUri;
  const url = await questionAt(endpoint, server, { client_id: client.clientId, redirect_uri, scope }, verifier, wires);
  const code = codeIn(await options.authorize(new URL(url)), url, server);
  const grant = { grant_type: "authorization_code", code, redirect_uri, code_verifier: verifier };
  try {
    return await requestToken(server, client, grant, wires);
  } catch (fault) {
    if (fault instanceof StintError && fault.code === "invalid_client") finder.forget(client);
    throw fault;
  }
}

/** Where the human is sent (RFC 6749 §4.1.1). */
async function questionAt(
  endpoint: URL,
  server: Discovered,
  { scope, ...request }: Readonly<Record<"client_id" | "redirect_uri" | "scope", string>>,
  verifier: string,
  { sender }: Wires,
): Promise<URL> {
  const url = new URL(endpoint);
  const parameters = {
    response_type: "code",
    ...request,
    code_challenge: await sha256(verifier),
    code_challenge_method: "S256",
    state: randomText(),
    resource: server.resource,
    ...(scope === "" ? {} : { scope }),
    ...(server.dpop ? { dpop_jkt: await thumbprintOf(await sender.key()) } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/** The code that the human came back with (RFC 6749 §4.1.2). */
function codeIn({ searchParams: back }: URL, question: URL, server: Discovered): string {
  // RFC 9700 §4.7, RFC 9207 §2.4: an answer to another request, or of another server, is not read further.
  if (back.get("state") !== question.searchParams.get("state"))
    throw new StintError("invalid_answer", "the answer is not to this request", 0);
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

function wordsOf(scope: string | undefined): string[] {
  return (scope ?? "").split(" ").filter((word) => word !== "");
}

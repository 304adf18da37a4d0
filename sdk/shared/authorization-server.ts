import { ClientKey, type RegisteredKey } from "./client-key.ts";
import { DpopSender, type Fetch } from "./dpop-sender.ts";
import type { ProofKey } from "./proof-key.ts";
import { readJson, refusalIn, StintError } from "./stint-error.ts";

const TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
/** How long Stint may take to answer, in milliseconds. */
const DEADLINE_MS = 30_000;
const ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";

/** Who speaks to Stint: an agent or a server, by its registration there. */
export interface ClientOptions {
  /** The tenant's issuer, byte for byte as its metadata says. */
  readonly issuer: string;
  /** `client_id` of the agent, or `id` of the server. */
  readonly clientId: string;
  /** Its private key, whose public half is registered. */
  readonly key: RegisteredKey;
  /** The key that tokens are bound to; without one, a key that cannot be taken out of this process. */
  readonly proofKey?: ProofKey;
  readonly fetch?: Fetch;
}

/** A token as Stint issued it. */
export interface IssuedToken {
  readonly accessToken: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  readonly authorizationDetails: readonly Readonly<Record<string, unknown>>[];
}

/** What an exchange may ask for beyond its audience: less, or shorter. */
export interface Narrower {
  readonly authorizationDetails?: readonly object[];
  readonly expiresInSeconds?: number;
}

/** Stint, as one client of it sees it. */
export class AuthorizationServer {
  readonly issuer: string;
  readonly sender: DpopSender;
  readonly #key: ClientKey;

  constructor({ issuer, clientId, key, proofKey, fetch }: ClientOptions) {
    this.issuer = issuer;
    this.#key = new ClientKey(clientId, issuer, key);
    this.sender = new DpopSender(proofKey, fetch);
  }

  /** JSON to one of Stint's own endpoints, with this client's assertion in it. */
  postJson(path: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
    return this.#post(path, async () => ({
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ ...body, ...(await this.#key.assertion()) }),
    }));
  }

  /** A form to one of the OAuth endpoints. */
  postForm(
    path: string,
    form: Record<string, string>,
    authenticate: boolean,
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const request = async () => ({
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ ...form, ...(authenticate ? await this.#key.assertion() : {}) }).toString(),
    });
    return this.#post(path, request, signal);
  }

  /**
   * RFC 8693: a token for one audience. A server authenticates as itself; an agent is known by the
   * key that its session token is bound to.
   */
  async exchange(
    subjectToken: string,
    resource: string,
    authenticate: boolean,
    { authorizationDetails, expiresInSeconds }: Narrower = {},
  ): Promise<IssuedToken> {
    const form = {
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: subjectToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource,
      ...(authorizationDetails === undefined ? {} : { authorization_details: JSON.stringify(authorizationDetails) }),
      ...(expiresInSeconds === undefined ? {} : { expires_in: String(expiresInSeconds) }),
    };
    return readIssued(await this.postForm("/oauth/token", form, authenticate));
  }

  async #post(
    path: string,
    request: () => Promise<{ headers: Record<string, string>; body: string }>,
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const attempt = async () => ({ method: "POST", signal: either, ...(await request()) });
    const response = await this.sender.send(new URL(this.issuer + path), attempt);
    if (!response.ok) throw await refusalIn(response);
    return readJson(response);
  }
}

/** A token answer (RFC 6749 §5.1), whose token must be bound to the key that asked. */
export function readIssued(answer: Record<string, unknown>): IssuedToken {
  const { access_token, token_type, expires_in, authorization_details } = answer;
  // RFC 9449 §5: a client that asked for a bound token takes no other.
  if (typeof access_token !== "string" || String(token_type).toLowerCase() !== "dpop" || typeof expires_in !== "number")
    throw new StintError("invalid_token_answer", "the token that was issued is not bound to this key", 0);
  return {
    accessToken: access_token,
    expiresAt: Math.floor(Date.now() / 1000) + expires_in,
    authorizationDetails: Array.isArray(authorization_details) ? authorization_details : [],
  };
}

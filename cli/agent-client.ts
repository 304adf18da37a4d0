import { createHash, randomUUID } from "node:crypto";
import { SignJWT, type JWK } from "jose";
import { ASSERTION_TYPE, ClientKey } from "../sdk/shared/client-key.ts";
import { newProofKey, thumbprintOf, type ProofKey } from "../sdk/shared/proof-key.ts";

/** How long Stint may take for one answer, in milliseconds: who waits at a terminal is not left with nothing. */
const DEADLINE_MS = 30_000;
export const CIBA_GRANT = "urn:openid:params:grant-type:ciba";
export const TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
export const ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";

export { ASSERTION_TYPE, newProofKey, type ProofKey, thumbprintOf as thumbprint };

/** An answer of the broker, read. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface SessionAsk {
  readonly task: { readonly title: string; readonly description?: string; readonly reference?: string };
  readonly authorization_details: readonly object[];
  readonly expires_in: number;
  readonly user?: string;
}

export interface Opened {
  readonly session_id: string;
  readonly auth_req_id: string;
  readonly expires_in: number;
  readonly interval: number;
  readonly match_code: string;
}

/** An OAuth client of Stint, agent or server: signs assertions and proofs, follows nonces. */
export class StintClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly proofKey: ProofKey;
  readonly #key: ClientKey;
  /** The newest nonce of each kind of endpoint. */
  readonly #nonces = new Map<"as" | "resource", string>();

  /** @param assertionJwk the private key whose public half is registered */
  constructor(issuer: string, clientId: string, assertionJwk: JWK, proofKey: ProofKey) {
    this.issuer = issuer;
    this.clientId = clientId;
    this.proofKey = proofKey;
    this.#key = new ClientKey(clientId, issuer, assertionJwk);
  }

  /** RFC 7523: who this client is, for one request. */
  assertion(): ReturnType<ClientKey["assertion"]> {
    return this.#key.assertion();
  }

  /** RFC 9449: that this client holds its key, for one request. */
  async proof(method: string, url: string, nonce?: string, accessToken?: string): Promise<string> {
    const ath = accessToken === undefined ? {} : { ath: createHash("sha256").update(accessToken).digest("base64url") };
    return new SignJWT({ jti: randomUUID(), htm: method, htu: url, ...(nonce === undefined ? {} : { nonce }), ...ath })
      .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: this.proofKey.publicJwk })
      .setIssuedAt()
      .sign(this.proofKey.privateKey);
  }

  /** Asks for a session. */
  ask(ask: SessionAsk, idempotencyKey?: string): Promise<Answer<Opened & Record<string, unknown>>> {
    return this.#send("as", "POST", "/sessions", async () => ({
      headers: {
        "content-type": "application/json",
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
      },
      body: JSON.stringify({ ...ask, ...(await this.assertion()) }),
    }));
  }

  /** Asks once whether a human has decided. */
  poll(authReqId: string): Promise<Answer> {
    return this.token(async () => ({ grant_type: CIBA_GRANT, auth_req_id: authReqId, ...(await this.assertion()) }));
  }

  /** Takes back a request that nobody has decided yet. */
  withdraw(sessionId: string): Promise<Answer> {
    return this.#send("as", "POST", `/sessions/${sessionId}/end`, async () => ({
      headers: { "content-type": "application/json" },
      body: JSON.stringify(await this.assertion()),
    }));
  }

  /** Keeps a nonce that came with an answer which was read elsewhere. */
  keepResourceNonce(nonce: string): void {
    this.#nonces.set("resource", nonce);
  }

  /** A proof for a call of a protected resource that is sent elsewhere, with the newest nonce. */
  proofAtResource(method: string, url: string, accessToken: string): Promise<string> {
    return this.proof(method, url, this.#nonces.get("resource"), accessToken);
  }

  /** RFC 8693: a token for one audience. A server authenticates as itself; an agent is known by its key. */
  exchange(
    subjectToken: string,
    resource: string,
    more: Record<string, string> = {},
    authenticate = false,
  ): Promise<Answer> {
    return this.token(async () => ({
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: subjectToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource,
      ...more,
      ...(authenticate ? await this.assertion() : {}),
    }));
  }

  /** RFC 7662: whether a token is good now. */
  introspect(token: string): Promise<Answer> {
    return this.form("/oauth/introspect", async () => ({ token, ...(await this.assertion()) }));
  }

  /** Any request to the token endpoint. */
  token(parameters: () => Promise<Record<string, string>>): Promise<Answer> {
    return this.form("/oauth/token", parameters);
  }

  /** A form to one of the authorization server's endpoints. */
  form(path: string, parameters: () => Promise<Record<string, string>>): Promise<Answer> {
    return this.#send("as", "POST", path, async () => ({
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(await parameters()).toString(),
    }));
  }

  /** Calls a protected resource of the broker with a token: the proxy, or the session itself. */
  call(accessToken: string, method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#send(
      "resource",
      method,
      path,
      async () => ({
        headers: {
          authorization: `DPoP ${accessToken}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      accessToken,
    );
  }

  async #send<T>(
    kind: "as" | "resource",
    method: string,
    path: string,
    request: () => Promise<{ headers: Record<string, string>; body?: string }>,
    accessToken?: string,
  ): Promise<Answer<T>> {
    const url = this.issuer + path.split("?", 1)[0];
    for (let attempt = 0; ; attempt += 1) {
      const { headers, body } = await request();
      const dpop = await this.proof(method, url, this.#nonces.get(kind), accessToken);
      const response = await fetch(this.issuer + path, {
        method,
        headers: { ...headers, dpop },
        redirect: "manual",
        signal: AbortSignal.timeout(DEADLINE_MS),
        ...(body === undefined ? {} : { body }),
      });
      const nonce = response.headers.get("dpop-nonce");
      if (nonce !== null) this.#nonces.set(kind, nonce);
      const text = await response.text();
      const answer = { status: response.status, headers: response.headers, body: readBody(text) as T };
      if (attempt === 0 && (answer.body as { error?: string }).error === "use_dpop_nonce") continue;
      return answer;
    }
  }
}

function readBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}

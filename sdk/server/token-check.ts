import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTVerifyGetKey } from "jose";
import type { ClientKey } from "../shared/client-key.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import { readJson } from "../shared/stint-error.ts";

/** How long keys and tokens are believed without asking, in seconds: the bound of a revocation offline. */
export const OFFLINE_WINDOW_SECONDS = 300;
/** How long Stint may take to answer, in milliseconds. */
const DEADLINE_MS = 5000;
/** How often keys are asked for because of one that is not among them, in milliseconds. */
const UNKNOWN_KEY_PAUSE_MS = 60_000;
/** How often they are asked for while they cannot be had, in milliseconds. */
const FAILURE_PAUSE_MS = 5000;
/** How far another clock may be ahead of ours, in seconds. */
const SKEW_SECONDS = 60;

/** What is known of a token, by its own signed word or by Stint's answer. */
export type Statement = Readonly<Record<string, unknown>>;
/** `unavailable`: nobody could tell, so nobody is let in. */
export type Checked = Statement | "inactive" | "unavailable";

export interface TokenCheck {
  /** @param now epoch seconds */
  check(token: string, now: number): Promise<Checked>;
}

/** Asks Stint about every token (RFC 7662): what is revoked is refused from then on. */
export class Introspection implements TokenCheck {
  readonly #issuer: string;
  readonly #key: ClientKey;
  readonly #fetch: Fetch;

  constructor(issuer: string, key: ClientKey, fetch: Fetch) {
    this.#issuer = issuer;
    this.#key = key;
    this.#fetch = fetch;
  }

  async check(token: string): Promise<Checked> {
    try {
      const response = await this.#fetch(`${this.#issuer}/oauth/introspect`, {
        method: "POST",
        redirect: "manual",
        signal: AbortSignal.timeout(DEADLINE_MS),
        headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
        body: new URLSearchParams({ token, ...(await this.#key.assertion()) }).toString(),
      });
      if (response.status !== 200) return "unavailable";
      const statement = await readJson(response);
      if (typeof statement["active"] !== "boolean") return "unavailable";
      return statement["active"] ? statement : "inactive";
    } catch {
      return "unavailable";
    }
  }
}

/**
 * Believes Stint's signature (RFC 9068 §4), for five minutes from when a token was issued. Tokens that
 * live longer, as those by authorization code do, are asked about after that.
 */
export class OfflineCheck implements TokenCheck {
  readonly #issuer: string;
  readonly #resource: string;
  readonly #keys: JWTVerifyGetKey;
  readonly #later: TokenCheck;

  constructor(issuer: string, resource: string, later: TokenCheck, fetch: Fetch) {
    this.#issuer = issuer;
    this.#resource = resource;
    this.#later = later;
    this.#keys = createRemoteJWKSet(new URL(`${issuer}/oauth/jwks`), {
      cacheMaxAge: OFFLINE_WINDOW_SECONDS * 1000,
      cooldownDuration: UNKNOWN_KEY_PAUSE_MS,
      timeoutDuration: DEADLINE_MS,
      [customFetch]: sparingFetch(fetch),
    });
  }

  async check(token: string, now: number): Promise<Checked> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        typ: "at+jwt",
        algorithms: ["ES256"],
        issuer: this.#issuer,
        audience: this.#resource,
        requiredClaims: ["sub", "client_id", "iat", "exp", "jti", "sid"],
        currentDate: new Date(now * 1000),
      });
      const { iat = 0 } = payload;
      if (iat > now + SKEW_SECONDS) return "inactive";
      return now - iat > OFFLINE_WINDOW_SECONDS ? await this.#later.check(token, now) : payload;
    } catch (fault) {
      return isAboutTheToken(fault) ? "inactive" : "unavailable";
    }
  }
}

/**
 * Fetches keys, and not again at once when that failed: whoever sends a token that names a key which
 * nobody knows has us ask for it, without any right to anything.
 */
function sparingFetch(fetch: Fetch): (url: string, init: RequestInit) => Promise<Response> {
  let failedAtMs = -Infinity;
  return async (url, init) => {
    if (Date.now() - failedAtMs < FAILURE_PAUSE_MS) throw new TypeError("the keys could not be had a moment ago");
    try {
      const response = await fetch(url, init);
      const { keys } = response.status === 200 ? await readJson(response) : {};
      if (!Array.isArray(keys)) throw new TypeError("the answer holds no keys");
      return Response.json({ keys });
    } catch (fault) {
      failedAtMs = Date.now();
      throw fault;
    }
  };
}

/** Keys that cannot be fetched say nothing about the token. */
function isAboutTheToken(fault: unknown): boolean {
  return (
    fault instanceof errors.JOSEError && !(fault instanceof errors.JWKSTimeout) && fault.code !== "ERR_JOSE_GENERIC"
  );
}

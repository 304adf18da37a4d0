import { lazy } from "./lazy.ts";
import { newProofKey, proofOf, type ProofKey } from "./proof-key.ts";
import { readJson } from "./stint-error.ts";

export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** One request, made anew for each attempt: an assertion in it is good once. */
export interface Attempt {
  readonly method: string;
  readonly headers?: HeadersInit;
  readonly body?: RequestInit["body"];
  readonly signal?: AbortSignal | null;
}

/** Sends requests with a proof of the key, and does as servers say about nonces (RFC 9449 §8 and §9). */
export class DpopSender {
  /** What tokens are bound to; one that cannot be taken out of this process, unless it was given. */
  readonly key: () => Promise<ProofKey>;
  readonly #fetch: Fetch;
  /** The newest nonce of each origin, one for the authorization server there and one for resources. */
  readonly #nonces = new Map<string, string>();

  constructor(key: ProofKey | undefined, fetch: Fetch = (url, init) => globalThis.fetch(url, init)) {
    this.key = lazy(async () => key ?? newProofKey());
    this.#fetch = fetch;
  }

  /**
   * Sends a request, once more if a nonce was missing and the body can be sent again. Redirects are
   * answered, not followed: token and proof are for this address alone.
   *
   * @param accessToken at a protected resource
   */
  async send(url: URL, attempt: () => Promise<Attempt>, accessToken?: string): Promise<Response> {
    const kind = `${accessToken === undefined ? "as" : "resource"} ${url.origin}`;
    for (let again = false; ; again = true) {
      const { headers: given, ...request } = await attempt();
      const headers = new Headers(given);
      const nonce = this.#nonces.get(kind);
      headers.set("dpop", await proofOf(await this.key(), { method: request.method, url, nonce, accessToken }));
      if (accessToken !== undefined) headers.set("authorization", `DPoP ${accessToken}`);
      const response = await this.#fetch(url, { ...request, headers, redirect: "manual" } as RequestInit);
      const next = response.headers.get("dpop-nonce");
      if (next !== null) this.#nonces.set(kind, next);
      const resend = !again && next !== null && canSendAgain(request.body);
      if (!resend || !(await demandsNonce(response, accessToken === undefined))) return response;
      await response.body?.cancel();
    }
  }
}

/** Whether a body is still there once it was sent: a stream, or whatever else is read off as it is sent, is not. */
export function canSendAgain(body: Attempt["body"]): boolean {
  if (body === undefined || body === null || typeof body === "string") return true;
  return (
    [ArrayBuffer, Blob, FormData, URLSearchParams].some((kind) => body instanceof kind) || ArrayBuffer.isView(body)
  );
}

/** A resource says so in its challenge; its bodies are not ours to read (RFC 9449 §8 and §9). */
async function demandsNonce(response: Response, isAtServer: boolean): Promise<boolean> {
  if (response.status === 401) return /\berror="?use_dpop_nonce\b/.test(response.headers.get("www-authenticate") ?? "");
  if (response.status !== 400 || !isAtServer) return false;
  return (await readJson(response.clone()))["error"] === "use_dpop_nonce";
}

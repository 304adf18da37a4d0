import { base64url } from "jose";
import { lazy } from "../shared/lazy.ts";

/** How long a nonce is handed out, in seconds; it is taken for as long again. */
const STEP_SECONDS = 60;

/** Nonces that nobody stores (RFC 9449 §9): a keyed digest of the time. */
export class Nonces {
  readonly #key: () => Promise<CryptoKey>;

  /** @param secret 32 bytes, the same in all processes that serve the resource */
  constructor(secret: Uint8Array<ArrayBuffer>) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    this.#key = lazy(() => crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]));
  }

  /** The nonce to hand out now. */
  fresh(now: number): Promise<string> {
    return this.#at(Math.floor(now / STEP_SECONDS));
  }

  async isGood(nonce: unknown, now: number): Promise<boolean> {
    const step = Math.floor(now / STEP_SECONDS);
    return nonce === (await this.#at(step)) || nonce === (await this.#at(step - 1));
  }

  async #at(step: number): Promise<string> {
    const text = new TextEncoder().encode(`stint dpop nonce ${step}`);
    return base64url.encode(new Uint8Array(await crypto.subtle.sign("HMAC", await this.#key(), text)));
  }
}

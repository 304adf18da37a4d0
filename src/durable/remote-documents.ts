import type { Outbound } from "../connectors/outbound.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** How long a document is believed, in milliseconds: how long a key may live on after its owner withdrew it. */
const LIFETIME_MS = 60_000;
const DEADLINE_MS = 5000;
/** Fetches in a minute that strangers cause. What the tenant's own document names is bounded by its length. */
const MAX_FETCHES_PER_MINUTE = 60;
const MINUTE_MS = 60_000;
const MAX_AT_ONCE = 6;
const MAX_KEPT = 200;

/** `too_many`: not tried, ask again later. `unavailable`: tried, and not to be had. */
export type RemoteFault = "too_many" | "unavailable";

interface Kept {
  readonly text: string;
  readonly fetchedAtMs: number;
}

/**
 * Documents that others publish: metadata and keys of clients, keys of identity providers. One object
 * of the tenant fetches for all isolates, so that a document is fetched once however many ask for it,
 * and no flood of strangers makes Stint one of requests. Only what was got is kept, never a failure.
 */
export class RemoteDocuments {
  readonly #outbound: Outbound;
  readonly #kept = new Map<string, Kept>();
  readonly #fetching = new Map<string, Promise<Result<string, RemoteFault>>>();
  #recent: number[] = [];

  constructor(outbound: Outbound) {
    this.#outbound = outbound;
  }

  /**
   * The text of a JSON document at an address.
   *
   * @param isConfigured whether the tenant's own document names the address, so that no stranger can
   *   take its place
   */
  read(url: string, maxBytes: number, isConfigured: boolean): Promise<Result<string, RemoteFault>> {
    const kept = this.#kept.get(url);
    if (kept !== undefined && Date.now() - kept.fetchedAtMs < LIFETIME_MS) return Promise.resolve(ok(kept.text));
    const running = this.#fetching.get(url);
    if (running !== undefined) return running;
    if (!isConfigured && !this.#mayFetchForStranger()) return Promise.resolve(err("too_many"));
    const fetching = this.#fetch(url, maxBytes).finally(() => this.#fetching.delete(url));
    this.#fetching.set(url, fetching);
    return fetching;
  }

  /** Forgets a document that turned out to be worthless, so that a mended one is seen at once. */
  drop(url: string): void {
    this.#kept.delete(url);
  }

  #mayFetchForStranger(): boolean {
    const now = Date.now();
    this.#recent = this.#recent.filter((at) => now - at < MINUTE_MS);
    if (this.#recent.length >= MAX_FETCHES_PER_MINUTE || this.#fetching.size >= MAX_AT_ONCE) return false;
    this.#recent.push(now);
    return true;
  }

  async #fetch(url: string, maxBytes: number): Promise<Result<string, RemoteFault>> {
    const answer = await this.#outbound.text({
      url,
      method: "GET",
      headers: { accept: "application/json" },
      deadlineMs: DEADLINE_MS,
      maxBytes,
    });
    if (!answer.ok || answer.value.status !== 200 || !isJson(answer.value.headers.get("content-type")))
      return err("unavailable");
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(url, { text: answer.value.text, fetchedAtMs: Date.now() });
    return ok(answer.value.text);
  }
}

function isJson(contentType: string | null): boolean {
  const [type = ""] = (contentType ?? "").toLowerCase().split(";");
  return /^application\/(?:[a-z0-9.-]+\+)?json$/.test(type.trim());
}

/** The cookies of one browser. */
export class CookieJar {
  readonly #cookies = new Map<string, string>();

  /** @param header cookies that the browser holds already, as a `Cookie` header */
  constructor(header = "") {
    for (const pair of header.split("; ")) if (pair !== "") this.#put(pair);
  }

  /** The `Cookie` header. */
  get header(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  get(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  set(name: string, value: string): void {
    this.#cookies.set(name, value);
  }

  /** Keeps what an answer sets, and forgets what it takes away. */
  keep({ headers }: Response): void {
    for (const set of headers.getSetCookie()) {
      const [pair = "", ...attributes] = set.split("; ");
      if (attributes.includes("Max-Age=0")) this.#cookies.delete(pair.slice(0, pair.indexOf("=")));
      else this.#put(pair);
    }
  }

  #put(pair: string): void {
    const at = pair.indexOf("=");
    this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

import { begin, CLOSED, settle, waitSeconds, withdraw, type Breaker } from "../domain/breaker.ts";
import { nowSeconds } from "./http.ts";

/** What this isolate knows of upstreams: as many as its tenants have. Each isolate learns for itself. */
const breakers = new Map<string, Breaker>();

/** Whether one tenant's upstream answers. */
export class UpstreamHealth {
  readonly #name: string;

  constructor(issuer: string, upstream: string) {
    this.#name = `${issuer} ${upstream}`;
  }

  /**
   * A call wants to go out. Answers for how many more seconds none may; when that is 0, this one
   * does, and how it went is to be told.
   */
  enter(): number {
    const wait = waitSeconds(this.#breaker, nowSeconds());
    if (wait === 0) breakers.set(this.#name, begin(this.#breaker, nowSeconds()));
    return wait;
  }

  /** The call did not go out, or its end says nothing of the upstream. */
  withdrew(): void {
    breakers.set(this.#name, withdraw(this.#breaker, nowSeconds()));
  }

  /** @param hasAnswered whether it did so itself; a gateway that answers for it does not count */
  settled(hasAnswered: boolean): void {
    breakers.set(this.#name, settle(this.#breaker, hasAnswered, nowSeconds()));
  }

  get #breaker(): Breaker {
    return breakers.get(this.#name) ?? CLOSED;
  }
}

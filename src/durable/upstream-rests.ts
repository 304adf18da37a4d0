import type { MintFault } from "./lease-mints.ts";

/** How long an upstream that could not mint is left alone, in seconds; doubled with each failure. */
const FIRST_REST_SECONDS = 2;
const LONGEST_REST_SECONDS = 60;
/** What a human mends is tried again at once after the first failure: it may be mended by now. */
const MENDED_BY_HUMANS: readonly MintFault[] = ["upstream_misconfigured", "upstream_broken", "not_linked"];

/** An upstream that is left alone, and what is said of it meanwhile. */
interface Rest {
  /** Epoch seconds. */
  readonly until: number;
  readonly seconds: number;
  readonly fault: MintFault;
}

/** Upstreams that could not mint, so that an agent that goes on calling makes Stint neither ask nor write any more. */
export class UpstreamRests {
  readonly #rests = new Map<string, Rest>();

  /** What is said of an upstream that is left alone for a while. */
  at(upstream: string, now: number): MintFault | undefined {
    const rest = this.#rests.get(upstream);
    return rest !== undefined && rest.until > now ? rest.fault : undefined;
  }

  begin(upstream: string, fault: MintFault, now: number): void {
    const before = this.#rests.get(upstream);
    const first = MENDED_BY_HUMANS.includes(fault) ? 0 : FIRST_REST_SECONDS;
    const seconds = before === undefined ? first : Math.min(Math.max(1, before.seconds * 2), LONGEST_REST_SECONDS);
    this.#rests.set(upstream, { until: now + seconds, seconds, fault });
  }

  /** It mints again. */
  end(upstream: string): void {
    this.#rests.delete(upstream);
  }
}

import { newId } from "../crypto/random.ts";
import type { OneTime } from "../durable/one-time.ts";
import { nowSeconds } from "./http.ts";

/** How long one use of a proof that was used up already is remembered, in seconds. */
const PART_SECONDS = 60;

/**
 * A one-time key for one thing that a request does. The request's own proof was used up when it came
 * in; what its tools do is still an insert of its own at the object that owns it.
 */
export function partOfRequest(): OneTime {
  return { key: `mcp:${newId("prt_")}`, rememberUntil: nowSeconds() + PART_SECONDS };
}

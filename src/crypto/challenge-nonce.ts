import { deriveKey, equalsConstantTime, hmac } from "./hash.ts";
import { newId } from "./random.ts";

/** How long a person may take between pressing the button and touching the key, in seconds. */
const LIFETIME_SECONDS = 120;
/** Clocks of two isolates may differ a little. */
const SKEW_SECONDS = 5;

/**
 * A nonce that Stint made for one purpose at one moment: its time, a random part, and a MAC over both
 * and the purpose. Nothing is stored until it is used, and nobody can make one ahead of time.
 *
 * @param about what it is for, such as a grant's digest and a person
 */
export function makeChallengeNonce(root: Uint8Array, issuer: string, about: string, now: number): string {
  const head = `${now}.${newId("")}`;
  return `${head}.${macOf(root, issuer, about, head)}`;
}

/** Until when a use of the nonce has to be remembered, epoch seconds; undefined when it is not good now. */
export function challengeNonceUntil(
  root: Uint8Array,
  issuer: string,
  about: string,
  nonce: string,
  now: number,
  lifetimeSeconds = LIFETIME_SECONDS,
): number | undefined {
  const [at, random, mac] = nonce.split(".");
  if (at === undefined || random === undefined || mac === undefined || !/^[0-9]{1,12}$/.test(at)) return undefined;
  if (!equalsConstantTime(mac, macOf(root, issuer, about, `${at}.${random}`))) return undefined;
  const age = now - Number(at);
  return age > lifetimeSeconds || age < -SKEW_SECONDS ? undefined : Number(at) + lifetimeSeconds;
}

function macOf(root: Uint8Array, issuer: string, about: string, head: string): string {
  return hmac(deriveKey(root, "challenge nonce", issuer), `${head} ${about}`);
}

import { challengeNonceUntil, makeChallengeNonce } from "./challenge-nonce.ts";
import { deriveKey, hmac } from "./hash.ts";

/** How long somebody may take at their identity provider, in seconds. */
const LIFETIME_SECONDS = 10 * 60;

/** Stands in no purpose and in no id. */
const SEPARATOR = "~";

/** The secrets of one way to the identity provider and back. Nothing is stored: all of it follows from `state` and the browser. */
export interface SignInAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Until when its use has to be remembered, epoch seconds. */
  readonly rememberUntil: number;
}

/** Begins an attempt of one browser; in another, its `state` is worth nothing. */
export function beginAttempt(
  root: Uint8Array,
  issuer: string,
  browser: string,
  purpose: string,
  now: number,
): SignInAttempt {
  const state = `${purpose}${SEPARATOR}${makeChallengeNonce(root, issuer, aboutOf(browser, purpose), now)}`;
  return secretsOf(root, issuer, browser, state, now + LIFETIME_SECONDS);
}

/** The attempt that a `state` belongs to, and what it is for; undefined when this browser has none such under way. */
export function resumeAttempt(
  root: Uint8Array,
  issuer: string,
  browser: string,
  state: string,
  now: number,
): { readonly attempt: SignInAttempt; readonly purpose: string } | undefined {
  const purpose = purposeOf(state);
  const about = aboutOf(browser, purpose);
  const until = challengeNonceUntil(
    root,
    issuer,
    about,
    state.slice(purpose.length + SEPARATOR.length),
    now,
    LIFETIME_SECONDS,
  );
  return until === undefined ? undefined : { attempt: secretsOf(root, issuer, browser, state, until), purpose };
}

/** What a `state` says it is for. Only {@link resumeAttempt} says whether it is. */
export function purposeOf(state: string): string {
  return state.slice(0, Math.max(state.indexOf(SEPARATOR), 0));
}

function aboutOf(browser: string, purpose: string): string {
  return `sign-in ${purpose} ${browser}`;
}

function secretsOf(
  root: Uint8Array,
  issuer: string,
  browser: string,
  state: string,
  rememberUntil: number,
): SignInAttempt {
  const derive = (part: string): string => hmac(deriveKey(root, `sign-in ${part}`, issuer), `${browser} ${state}`);
  return { state, nonce: derive("nonce"), codeVerifier: derive("verifier"), rememberUntil };
}

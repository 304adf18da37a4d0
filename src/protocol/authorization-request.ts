import type { AccessDetail } from "../domain/access.ts";
import { cleanAgentText, TITLE_LIMITS } from "../domain/agent-text.ts";
import { MIN_SESSION_SECONDS } from "../domain/grant.ts";
import type { Task } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readAskedAccess } from "./authorization-details.ts";
import type { Form } from "./body.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** Longer than any parameter but the access asked for has reason to be. */
const MAX_PARAMETER_LENGTH = 2048;
const MAX_ACCESS_LENGTH = 32_768;
const MAX_SESSION_SECONDS = 365 * 86_400;
const SHA256_BASE64URL = /^[A-Za-z0-9_-]{43}$/;

/** An authorization request, RFC 6749 §4.1.1, as far as it can be read without asking anybody. */
export interface AuthorizationRequest {
  readonly code_challenge: string;
  readonly state?: string | undefined;
  readonly resource?: string | undefined;
  /** The access asked for, or undefined for what is usual at the resource. */
  readonly authorization_details?: readonly AccessDetail[] | undefined;
  readonly dpop_jkt?: string | undefined;
  readonly expires_in?: number | undefined;
  /** Whether the client forbids that a human is asked, which is the one thing Stint always does. */
  readonly silent: boolean;
  readonly login_hint?: string | undefined;
  readonly task: Task;
}

/**
 * Reads an authorization request: RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2, RFC 9396 §2,
 * RFC 9449 §10. Client and redirect are checked before, for their faults must not be redirected.
 * Parameters that Stint does not know are ignored, as RFC 6749 §3.1 demands.
 */
export function readAuthorizationRequest(form: Form): Result<AuthorizationRequest, WireError> {
  const tooLong = findTooLong(form);
  if (tooLong !== undefined) return err(invalidRequest(`${tooLong} is too long`));
  const responseType = form.get("response_type");
  if (responseType === undefined) return err(invalidRequest("response_type is missing"));
  if (responseType !== "code")
    return err({ status: 400, error: "unsupported_response_type", description: "response_type can only be code" });
  if (form.has("request"))
    return err({ status: 400, error: "request_not_supported", description: "push a signed request to /oauth/par" });
  if ((form.get("response_mode") ?? "query") !== "query") return err(invalidRequest("response_mode can only be query"));
  const challenge = form.get("code_challenge");
  if (challenge === undefined || form.get("code_challenge_method") !== "S256")
    return err(invalidRequest("code_challenge with code_challenge_method S256 is needed (PKCE)"));
  if (!SHA256_BASE64URL.test(challenge)) return err(invalidRequest("code_challenge is not a SHA-256 in base64url"));
  const prompts = (form.get("prompt") ?? "consent").split(" ");
  if (prompts.includes("none") && prompts.length > 1) return err(invalidRequest("prompt none stands alone"));
  const dpopJkt = form.get("dpop_jkt");
  if (dpopJkt !== undefined && !SHA256_BASE64URL.test(dpopJkt))
    return err(invalidRequest("dpop_jkt is not the SHA-256 thumbprint of a key"));
  const details = readAskedAccess(form);
  if (!details.ok) return details;
  const expiresIn = readRequestedExpiry(form);
  if (!expiresIn.ok) return expiresIn;
  return ok({
    code_challenge: challenge,
    state: form.get("state"),
    resource: form.get("resource"),
    authorization_details: details.value,
    dpop_jkt: dpopJkt,
    expires_in: expiresIn.value,
    silent: prompts[0] === "none",
    login_hint: form.get("login_hint"),
    task: readTask(form.get("binding_message")),
  });
}

/** The first parameter that is longer than it has reason to be. */
export function findTooLong(form: Form): string | undefined {
  const isAccess = (name: string): boolean => name === "authorization_details" || name === "scope";
  return [...form].find(
    ([name, text]) => text.length > (isAccess(name) ? MAX_ACCESS_LENGTH : MAX_PARAMETER_LENGTH),
  )?.[0];
}

/** `requested_expiry` of CIBA Core §7.1: here how long the session shall last, in seconds. */
export function readRequestedExpiry(form: Form): Result<number | undefined, WireError> {
  const text = form.get("requested_expiry");
  if (text === undefined) return ok(undefined);
  const seconds = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : 0;
  return seconds >= MIN_SESSION_SECONDS && seconds <= MAX_SESSION_SECONDS
    ? ok(seconds)
    : err(invalidRequest(`requested_expiry must be a number of seconds, at least ${MIN_SESSION_SECONDS}`));
}

/** OAuth has no word for the task; what a client says to the human in `binding_message` comes nearest. */
export function readTask(bindingMessage: string | undefined): Task {
  const title = cleanAgentText(bindingMessage ?? "", TITLE_LIMITS);
  return { title: title === "" ? "(no task was named)" : title };
}

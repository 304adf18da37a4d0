import type { AccessDetail } from "../domain/access.ts";
import type { Task } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readAskedAccess } from "./authorization-details.ts";
import { findTooLong, readRequestedExpiry, readTask } from "./authorization-request.ts";
import type { Form } from "./body.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

const HINTS = ["login_hint", "login_hint_token", "id_token_hint"] as const;
/** CIBA Core §7.1: a plain text, short enough for a telephone. */
const BINDING_MESSAGE = /^[^\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]{1,120}$/u;

/** A backchannel authentication request, CIBA Core §7.1. */
export interface BackchannelRequest {
  readonly task: Task;
  readonly authorization_details: readonly AccessDetail[];
  readonly expires_in?: number | undefined;
  /** The person who shall decide. */
  readonly approver: string;
  /** Thumbprint of the key to which the session shall be bound, as in RFC 9449 §10. */
  readonly dpop_jkt?: string | undefined;
}

/** Reads the parameters in the order of CIBA Core §7.1. */
export function readBackchannelRequest(form: Form): Result<BackchannelRequest, WireError> {
  const tooLong = findTooLong(form);
  if (tooLong !== undefined) return err(invalidRequest(`${tooLong} is too long`));
  if (form.has("request_uri")) return err(invalidRequest("request_uri is not taken here"));
  const details = readAskedAccess(form);
  if (!details.ok) return details;
  if (details.value === undefined)
    return err(invalidRequest("say in scope or authorization_details what the session is for"));
  const hints = HINTS.filter((hint) => form.has(hint));
  if (hints.length !== 1) return err(invalidRequest("send exactly one hint, login_hint, of who shall decide"));
  const approver = form.get("login_hint");
  if (approver === undefined)
    return err(invalidRequest("only login_hint is taken: the id of the person who shall decide"));
  const message = form.get("binding_message");
  if (message !== undefined && !BINDING_MESSAGE.test(message))
    return err({
      status: 400,
      error: "invalid_binding_message",
      description: "binding_message must be 1 to 120 visible characters in one line",
    });
  const expiresIn = readRequestedExpiry(form);
  if (!expiresIn.ok) return expiresIn;
  const jkt = form.get("dpop_jkt");
  if (jkt !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(jkt))
    return err(invalidRequest("dpop_jkt is not the SHA-256 thumbprint of a key"));
  return ok({
    task: readTask(message),
    authorization_details: details.value,
    expires_in: expiresIn.value,
    approver,
    dpop_jkt: jkt,
  });
}

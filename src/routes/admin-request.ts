import { err, ok, type Result } from "../domain/result.ts";
import { readMembers } from "../protocol/body.ts";
import { invalidRequest, type WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";

const MAX_REASON_LENGTH = 200;

/** The operator's reason, for the audit log and the receipt; undefined where they give none. */
export async function readReason(c: Handling): Promise<Result<string | undefined, WireError>> {
  const body = await readMembers(c.req.raw, ["reason"]);
  if (!body.ok) return body;
  const { reason } = body.value;
  if (reason !== undefined && (typeof reason !== "string" || reason.length > MAX_REASON_LENGTH))
    return err(invalidRequest(`reason must be a text of at most ${MAX_REASON_LENGTH} characters`));
  return ok(reason);
}

export const NOT_FOUND: WireError = {
  status: 404,
  error: "not_found",
  description: "there is nothing of that name in this tenant",
};

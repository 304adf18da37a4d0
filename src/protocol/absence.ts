import * as z from "zod/v4";
import type { Absence } from "../domain/absence.ts";
import type { Json } from "../domain/canonical-json.ts";
import { secondsOf } from "../domain/moment.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** A time of day and place, RFC 3339. */
export const moment = z.iso.datetime({ offset: true, error: "must be a time such as 2027-01-31T18:00:00Z" });

const schema = z.strictObject({ from: moment.optional(), until: moment, delegate: z.string().min(1).max(200) });

/**
 * Reads when somebody is away and who stands in.
 *
 * @param now when it begins, where nothing is said, epoch seconds
 */
export function readAbsence(body: { readonly [name: string]: Json }, now: number): Result<Absence, WireError> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return err(invalidRequest(`/${issue?.path.join("/") ?? ""}: ${issue?.message ?? "is missing"}`));
  }
  const { from, until, delegate } = parsed.data;
  const absence = { from: from === undefined ? now : secondsOf(from), until: secondsOf(until), delegate };
  return absence.until <= now ? err(invalidRequest("/until: is over already")) : ok(absence);
}

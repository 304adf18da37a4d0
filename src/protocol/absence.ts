import * as z from "zod/v4";
import type { Absence } from "../domain/absence.ts";
import type { Json } from "../domain/canonical-json.ts";
import { secondsOf } from "../domain/moment.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Form } from "./body.ts";
import { firstProblem } from "./schema-problems.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** A time of day and place, RFC 3339. */
export const moment = z.iso.datetime({ offset: true, error: "must be a time such as 2027-01-31T18:00:00Z" });

const schema = z.strictObject({ from: moment.optional(), until: moment, delegate: z.string().min(1).max(200) });

/** What a browser posts of a field of type `datetime-local`, which is read as UTC. */
const FIELD_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?$/;

/** Reads the same from a form. What has begun already begins now. */
export function readAbsenceForm(form: Form, now: number): Result<Absence, string> {
  const [from, until] = [form.get("from") ?? "", form.get("until") ?? ""].map(fieldSeconds);
  if (from === undefined || until === undefined) return err("give both times, as day and hour");
  if (until <= now) return err("that is over already");
  return ok({ from: Math.max(from, now), until, delegate: form.get("delegate") ?? "" });
}

function fieldSeconds(value: string): number | undefined {
  if (!FIELD_TIME.test(value)) return undefined;
  const time = moment.safeParse(`${value.slice(0, 16)}:00Z`);
  return time.success ? secondsOf(time.data) : undefined;
}

/**
 * Reads when somebody is away and who stands in.
 *
 * @param now when it begins, where nothing is said, epoch seconds
 */
export function readAbsence(body: { readonly [name: string]: Json }, now: number): Result<Absence, WireError> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) return err(invalidRequest(firstProblem(parsed.error.issues)));
  const { from, until, delegate } = parsed.data;
  const absence = { from: from === undefined ? now : secondsOf(from), until: secondsOf(until), delegate };
  return absence.until <= now ? err(invalidRequest("/until: is over already")) : ok(absence);
}

import * as z from "zod/v4";
import type { AccessDetail } from "../domain/access.ts";
import type { Json } from "../domain/canonical-json.ts";
import type { Task } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readAuthorizationDetails } from "./authorization-details.ts";
import { readTask, taskSchema } from "./session-request.ts";
import { firstProblem } from "./schema-problems.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** The body of `POST /sessions/{id}/grants`. It names no time: what comes on top ends with the session. */
const stepUpSchema = z.strictObject({
  task: taskSchema.optional().describe("Why more is needed; the session's own task when left out"),
  authorization_details: z.unknown(),
});

export interface AskedStepUp {
  readonly task?: Task | undefined;
  /** What shall come on top. */
  readonly authorization_details: readonly AccessDetail[];
}

export function readStepUp(body: { readonly [name: string]: Json }): Result<AskedStepUp, WireError> {
  const parsed = stepUpSchema.safeParse(body);
  if (!parsed.success) return err(invalidRequest(firstProblem(parsed.error.issues)));
  const details = readAuthorizationDetails(body["authorization_details"]);
  if (!details.ok) return details;
  const task = parsed.data.task === undefined ? ok(undefined) : readTask(parsed.data.task);
  return task.ok ? ok({ task: task.value, authorization_details: details.value }) : task;
}

export const SESSION_OVER: WireError = {
  status: 409,
  error: "invalid_request",
  description: "the session has ended, or is about to; ask for a new one",
};
export const STEP_UP_PENDING: WireError = {
  status: 409,
  error: "invalid_request",
  description: "another request for more waits for its decision; GET the session to see how it stands",
};
export const NOTHING_NEW: WireError = {
  status: 400,
  error: "invalid_authorization_details",
  description: "the session holds all of this already",
};
export const LIMITS_STAY: WireError = {
  status: 400,
  error: "invalid_authorization_details",
  description:
    "what a session may use of an upstream or a server is never raised; leave limits out, or ask for a new session",
};
export const BEGIN_ANEW: WireError = {
  status: 403,
  error: "access_denied",
  description: "a session that was begun in a browser gets no more; begin another there",
};

import * as z from "zod/v4";
import type { AccessDetail } from "../domain/access.ts";
import { cleanAgentText, DESCRIPTION_LIMITS, TITLE_LIMITS } from "../domain/agent-text.ts";
import { MIN_SESSION_SECONDS } from "../domain/grant.ts";
import type { AskFault } from "../domain/policy.ts";
import type { Task } from "../domain/request.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { PresentedAssertion } from "./presented-assertion.ts";
import { invalidDetails, readAuthorizationDetails } from "./authorization-details.ts";
import { firstProblem } from "./schema-problems.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** Raw text longer than this is refused before it is cleaned, in UTF-16 units. */
const MAX_RAW_TEXT = 20_000;
const MAX_REFERENCE_LENGTH = 500;

export const taskSchema = z.strictObject({
  title: z.string().min(1).max(MAX_RAW_TEXT),
  description: z.string().max(MAX_RAW_TEXT).optional(),
  reference: z.string().max(MAX_REFERENCE_LENGTH).optional(),
});

/** The body of `POST /sessions`, apart from its `authorization_details`, which have an error of their own. */
export const sessionRequestSchema = z.strictObject({
  client_id: z.string().max(200).optional(),
  client_assertion_type: z.string().max(200).optional(),
  client_assertion: z.string().max(16_384).optional(),
  task: taskSchema,
  authorization_details: z.unknown(),
  expires_in: z
    .int()
    .min(MIN_SESSION_SECONDS)
    .max(365 * 86_400)
    .describe("How long the session shall last, in seconds"),
  user: z.string().min(1).max(200).optional().describe("The id of the person for whom the agent works"),
});

/** What an agent asks, read and cleaned. */
export interface AskedSession {
  readonly assertion: PresentedAssertion;
  readonly task: Task;
  readonly authorization_details: readonly AccessDetail[];
  readonly expires_in: number;
  readonly user?: string | undefined;
}

/** Reads the body of `POST /sessions`. */
export function readSessionRequest(body: { readonly [name: string]: unknown }): Result<AskedSession, WireError> {
  if (body["scope"] !== undefined) {
    const error = {
      status: 400,
      error: "invalid_scope",
      description:
        "Stint knows no scopes, and no offline_access: ask with authorization_details, and for more time open a new session",
    } as const;
    return err(error);
  }
  const parsed = sessionRequestSchema.safeParse(body);
  if (!parsed.success) return err(invalidRequest(firstProblem(parsed.error.issues)));
  const details = readAuthorizationDetails(body["authorization_details"]);
  if (!details.ok) return details;
  const task = readTask(parsed.data.task);
  if (!task.ok) return task;
  const { client_id, client_assertion_type, client_assertion, expires_in, user } = parsed.data;
  return ok({
    assertion: { client_id, client_assertion_type, client_assertion },
    task: task.value,
    authorization_details: details.value,
    expires_in,
    ...(user === undefined ? {} : { user }),
  });
}

/** Cleans what an agent says of its task. */
export function readTask(raw: {
  title: string;
  description?: string | undefined;
  reference?: string | undefined;
}): Result<Task, WireError> {
  const title = cleanAgentText(raw.title, TITLE_LIMITS);
  if (title === "") return err(invalidRequest("/task/title: must say what the task is"));
  const description = raw.description === undefined ? "" : cleanAgentText(raw.description, DESCRIPTION_LIMITS);
  const reference = raw.reference === undefined ? undefined : readReference(raw.reference);
  if (reference !== undefined && !reference.ok) return reference;
  return ok({
    title,
    ...(description === "" ? {} : { description }),
    ...(reference === undefined ? {} : { reference: reference.value }),
  });
}

/** An https URL, in its normalised form, so that a look-alike host is shown in punycode. */
function readReference(text: string): Result<string, WireError> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") {
    return err(invalidRequest("/task/reference: must be an https URL without a user name"));
  }
  return ok(url.href.slice(0, MAX_REFERENCE_LENGTH));
}

/** Header values that name a repeated request: visible ASCII, long enough for a UUID and more. */
const IDEMPOTENCY_KEY = /^[!-~]{1,200}$/;

/** Reads `Idempotency-Key`. */
export function readIdempotencyKey(header: string | null): Result<string | undefined, WireError> {
  if (header === null) return ok(undefined);
  return IDEMPOTENCY_KEY.test(header)
    ? ok(header)
    : err(invalidRequest("Idempotency-Key must be 1 to 200 visible ASCII characters"));
}

/** What the trust policy's refusals look like to an agent. */
export function askError(fault: AskFault): WireError {
  switch (fault.reason) {
    case "unknown_access":
      return invalidDetails(fault.detail);
    case "unknown_user":
      return { status: 400, error: "unknown_user_id", description: "user is not a person of this tenant" };
    case "user_missing":
      return invalidRequest("/user: this upstream lends the account of the person it works for; name them");
    case "not_linked":
      return {
        status: 400,
        error: "account_not_linked",
        description: `the person it works for has linked no account at ${fault.upstream}; they do that at /accounts of this broker`,
      };
    case "not_allowed":
      return {
        status: 403,
        error: "access_denied",
        description: `no trust policy lets this agent have ${fault.unit} (or all of the request together); ask for less, or have the policy changed`,
      };
    case "too_long":
      return invalidRequest(`/expires_in: the trust policy allows at most ${fault.maxSeconds} seconds`);
    case "too_much":
      return invalidDetails(`limits: the trust policy allows at most ${fault.limits} of each upstream and server`);
    case "not_counted":
      return invalidDetails(
        `limits: nobody counts what is done at server ${fault.server}, which is local, or asked for by its own resource; a remote server's calls are counted at {issuer}/mcp/{server}`,
      );
    case "unknown_approver":
      return {
        status: 400,
        error: "unknown_user_id",
        description: "login_hint names nobody who may decide this request",
      };
    case "no_quorum":
      return {
        status: 403,
        error: "access_denied",
        description: `policy ${fault.policy} demands ${fault.quorum} approvals, and not as many people may give one to this request`,
      };
    case "several_owners":
      return {
        status: 403,
        error: "access_denied",
        description: `policy ${fault.policy} lets an upstream's owner decide, and the parts of this request have different owners; ask for each in a request of its own`,
      };
    case "no_approver":
      return {
        status: 403,
        error: "access_denied",
        description: `policy ${fault.policy} names nobody who may approve this agent: its owner and the person it works for may not`,
      };
    case "assurance_not_offered":
      return {
        status: 403,
        error: "access_denied",
        description: `policy ${fault.policy} demands the assurance ${fault.assurance}, which this broker cannot offer yet`,
      };
  }
}

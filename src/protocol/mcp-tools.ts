import * as z from "zod/v4";
import { authorizationDetailsSchema } from "./authorization-details.ts";

/** The longest path, query or body that a tool's argument may hold, in UTF-16 units. */
const MAX_PATH_LENGTH = 2048;
const MAX_BODY_LENGTH = 128 * 1024;

const session = z
  .string()
  .max(100)
  .optional()
  .describe("The session_id that request_session answered; without it, the session that your own token is of");

/** What Stint's own tools take. */
export const MCP_TOOL_INPUTS = {
  request_session: z.strictObject({
    title: z.string().min(1).max(500).describe("What you want to do, in one line that a human reads"),
    description: z.string().max(5000).optional(),
    authorization_details: authorizationDetailsSchema.describe(
      "The access that the task needs, and no more (RFC 9396)",
    ),
    expires_in: z.int().min(60).max(86_400).describe("How long the task needs it, in seconds"),
  }),
  session_state: z.strictObject({ session }),
  call_upstream: z.strictObject({
    session,
    upstream: z.string().max(64).describe("The id of an upstream that the session was granted"),
    method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    path: z.string().max(MAX_PATH_LENGTH).describe("The path of the upstream's own API, beginning with a slash"),
    query: z.string().max(MAX_PATH_LENGTH).optional().describe("Without the question mark"),
    body: z.string().max(MAX_BODY_LENGTH).optional(),
    content_type: z
      .string()
      .regex(/^[A-Za-z0-9!#$&^_.+-]{1,60}\/[A-Za-z0-9!#$&^_.+-]{1,60}$/)
      .optional()
      .describe("application/json where there is a body and nothing is said"),
  }),
  end_session: z.strictObject({ session }),
};
export type CallUpstreamInput = z.infer<typeof MCP_TOOL_INPUTS.call_upstream>;
export type RequestSessionInput = z.infer<typeof MCP_TOOL_INPUTS.request_session>;

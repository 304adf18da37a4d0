import { z } from "zod";
import type { AccessDetail } from "../domain/access.ts";
import type { Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { WireError } from "./wire-error.ts";

/** More entries than a human can take in. */
const MAX_ENTRIES = 20;
const MAX_ITEMS = 50;

export const identifier = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be lower-case letters, digits, dots, dashes or underscores");
const operationName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$/, "must be the name of an operation");
const toolName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$/, "must be the name of a tool");
/** Concrete: a wildcard is for policies, never for what an agent asks. */
const location = z.string().regex(/^[!-)+-~]{1,200}$/, "must be one concrete location");

const uniqueList = <T extends z.ZodType<string>>(item: T) =>
  z
    .array(item)
    .min(1)
    .max(MAX_ITEMS)
    .refine((items) => new Set(items).size === items.length, "must not name anything twice");

export const upstreamAccessSchema = z
  .strictObject({
    type: z.literal("upstream_access"),
    upstream: identifier.describe("The id of a configured upstream"),
    actions: uniqueList(operationName).describe("Operations of the upstream's catalogue"),
    locations: uniqueList(location)
      .optional()
      .describe("Where, such as repositories; needed by operations that know locations"),
  })
  .describe("Access to operations of one upstream");

export const mcpToolsSchema = z
  .strictObject({
    type: z.literal("mcp_tools"),
    server: identifier.describe("The id of a registered MCP server"),
    actions: uniqueList(toolName).describe("Tool names"),
  })
  .describe("Access to tools of one registered MCP server");

/** RFC 9396 §2: typed entries, each type with a schema of its own, nothing unknown in them. */
export const authorizationDetailsSchema = z
  .array(z.discriminatedUnion("type", [upstreamAccessSchema, mcpToolsSchema]))
  .min(1)
  .max(MAX_ENTRIES);

/** Checks `authorization_details` that came as JSON. RFC 9396 §5. */
export function readAuthorizationDetails(value: Json | undefined): Result<AccessDetail[], WireError> {
  const parsed = authorizationDetailsSchema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return err(invalidDetails(`${["", ...(issue?.path ?? [])].join("/") || "/"}: ${issue?.message ?? "not valid"}`));
}

/** Checks `authorization_details` that came as a form parameter holding JSON. */
export function readAuthorizationDetailsText(text: string): Result<AccessDetail[], WireError> {
  const parsed = parseStrictJson(text);
  return parsed.ok ? readAuthorizationDetails(parsed.value) : err(invalidDetails("not valid JSON"));
}

export function invalidDetails(description: string): WireError {
  return { status: 400, error: "invalid_authorization_details", description: `authorization_details: ${description}` };
}

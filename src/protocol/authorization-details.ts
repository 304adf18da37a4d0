import * as z from "zod/v4";
import { limitsOf, placesOf, unitsOf, type AccessDetail } from "../domain/access.ts";
import { areWithin, LIMIT_NAMES } from "../domain/limits.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readScope } from "../domain/scope.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { Form } from "./body.ts";
import { firstProblem } from "./schema-problems.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** More entries than a human can take in. */
const MAX_ENTRIES = 20;
const MAX_ITEMS = 50;
/** The lines of the approval page. */
const MAX_UNITS = 200;
/**
 * What is granted stands in the session's tokens. With it and the longest names beside it such a token stays under
 * the length at which tokens are refused, and under what servers take as headers.
 */
const MAX_GRANTED_LENGTH = 10_000;

export const identifier = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be lower-case letters, digits, dots, dashes or underscores");
const operationName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$/, "must be the name of an operation");
const toolName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$/, "must be the name of a tool");
/** Concrete: a wildcard is for policies, never for what an agent asks. */
const location = z.string().regex(/^[!-)+-~]{1,200}$/, "must be one concrete location");

/** Beyond what any upstream carries in one session, and far below where numbers stop being exact. */
const MAX_LIMIT = 1e12;
const amount = z.int().min(1).max(MAX_LIMIT).optional();

export const limitsSchema = z
  .strictObject({
    calls: amount.describe(
      "Operations carried out: each request, tool call, root field of a GraphQL document, call of a batch",
    ),
    writes: amount.describe("Those among the calls that write"),
    bytes: amount.describe("Bytes of bodies, both ways together"),
    units: amount.describe(
      "Cost units that the catalogue declares for operations, and the server for tools; 1 each unless told",
    ),
  })
  .refine((limits) => Object.keys(limits).length > 0, "must name at least one limit");

const uniqueList = <T extends z.ZodType<string>>(item: T) =>
  z
    .array(item)
    .min(1)
    .max(MAX_ITEMS)
    .refine((items) => new Set(items).size === items.length, "must not name anything twice");

const upstreamAccessSchema = z
  .strictObject({
    type: z.literal("upstream_access"),
    upstream: identifier.describe("The id of a configured upstream"),
    actions: uniqueList(operationName).describe("Operations of the upstream's catalogue"),
    locations: uniqueList(location)
      .optional()
      .describe("Where, such as repositories; needed by operations that know locations"),
    limits: limitsSchema
      .optional()
      .describe("How much of the upstream the session may use in all; the same in every entry of one upstream"),
  })
  .describe("Access to operations of one upstream");

const mcpToolsSchema = z
  .strictObject({
    type: z.literal("mcp_tools"),
    server: identifier.describe("The id of a registered MCP server"),
    actions: uniqueList(toolName).describe("Tool names"),
    limits: limitsSchema
      .optional()
      .describe("How much of the server the session may use in all; the same in every entry of one server"),
  })
  .describe("Access to tools of one registered MCP server");

/** RFC 9396 §2: typed entries, each type with a schema of its own, nothing unknown in them. */
export const grantedDetailsSchema = z
  .array(z.discriminatedUnion("type", [upstreamAccessSchema, mcpToolsSchema]))
  .min(1)
  .refine(
    (details) => details.flatMap(unitsOf).length <= MAX_UNITS,
    `must be at most ${MAX_UNITS} operations at a location`,
  )
  .refine(
    (details) => details.every((detail) => saysTheSame(detail, details)),
    "must say the same limits in every entry of one upstream or server: they are counted together",
  )
  .refine(
    (details) => longestGrant(details) <= MAX_GRANTED_LENGTH,
    "must name less at once: no token could hold it; ask for the rest in a session of its own",
  );

/** As {@link grantedDetailsSchema}, with no more entries than anybody asks for: what is granted may have been taken apart. */
export const authorizationDetailsSchema = grantedDetailsSchema.max(MAX_ENTRIES);

/**
 * How long a grant of these entries may become as JSON. Under every limit, and with the locations of an
 * entry said again for each of its actions that an approver's narrowing may leave with others.
 */
function longestGrant(details: readonly AccessDetail[]): number {
  const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, MAX_LIMIT]));
  return details.reduce((length, detail) => {
    const { actions } = detail;
    const locations = detail.type === "upstream_access" ? (detail.locations ?? []) : [];
    const pieces = Math.max(1, Math.min(actions.length, 2 ** locations.length - 1));
    const piece = `${JSON.stringify({ ...detail, actions: [], limits })},`;
    return length + JSON.stringify(actions).length + pieces * piece.length;
  }, 0);
}

/** Whether an entry names the limits of its upstream or server in full. */
function saysTheSame(detail: AccessDetail, details: readonly AccessDetail[]): boolean {
  const { limits = {} } = detail;
  return placesOf([detail]).every((place) => {
    const all = limitsOf(details, place);
    return areWithin(limits, all) && areWithin(all, limits);
  });
}

/** Checks `authorization_details` that came as JSON, as they are asked for unless told otherwise. RFC 9396 §5. */
export function readAuthorizationDetails(
  value: unknown,
  schema: typeof grantedDetailsSchema = authorizationDetailsSchema,
): Result<AccessDetail[], WireError> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  return err(invalidDetails(firstProblem(parsed.error.issues)));
}

/** Checks `authorization_details` that came as a form parameter holding JSON. */
function readAuthorizationDetailsText(text: string): Result<AccessDetail[], WireError> {
  const parsed = parseStrictJson(text);
  return parsed.ok ? readAuthorizationDetails(parsed.value) : err(invalidDetails("not valid JSON"));
}

export function invalidDetails(description: string): WireError {
  return { status: 400, error: "invalid_authorization_details", description: `authorization_details: ${description}` };
}

/**
 * The access that a form asks for, by `authorization_details` or by `scope`, whose tokens are the
 * short form of the same; undefined when it names none.
 */
export function readAskedAccess(form: Form): Result<readonly AccessDetail[] | undefined, WireError> {
  const [scope, details] = [form.get("scope"), form.get("authorization_details")];
  if (details !== undefined) {
    if (scope !== undefined && scope !== "openid")
      return err(invalidRequest("send scope or authorization_details, not both"));
    return readAuthorizationDetailsText(details);
  }
  const read = readScope(scope ?? "openid");
  if (read === undefined) return err(INVALID_SCOPE);
  if (read.length === 0) return ok(undefined);
  const checked = authorizationDetailsSchema.safeParse(read);
  return checked.success ? ok(checked.data) : err(INVALID_SCOPE);
}

export const INVALID_SCOPE: WireError = {
  status: 400,
  error: "invalid_scope",
  description:
    "a scope is upstream:operation@location or mcp:server:tool, such as github:issues:read@acme/api; there is no offline_access: for more time open a new session, which a human must approve",
};

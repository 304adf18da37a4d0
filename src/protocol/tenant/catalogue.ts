import * as z from "zod/v4";
import { cost, displayName } from "./words.ts";

/** A path to the letter: what a pattern matches besides would be judged by its body too. */
const endpointPath = z
  .string()
  .max(300)
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, "must be a path such as /graphql");
const fieldNames = z
  .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, "must be the name of a field"))
  .min(1)
  .max(200);
const names = z
  .array(z.string().regex(/^[!-~]{1,128}$/, "must be a name without spaces"))
  .min(1)
  .max(200);
const operation = z.strictObject({
  access: z.enum(["read", "write"]),
  title: displayName.describe("What it lets an agent do, in the words an approver reads"),
  routes: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe("METHOD and URLPattern pathname, such as GET /repos/:owner/:repo/issues"),
  graphql: z
    .strictObject({
      path: endpointPath,
      query: fieldNames.optional(),
      mutation: fieldNames.optional(),
      selects: fieldNames
        .optional()
        .describe("Names of the fields that may be asked for below; all of them unless told"),
    })
    .optional()
    .describe("Root fields of a GraphQL endpoint; every field of a document needs an operation that was granted"),
  jsonrpc: z
    .strictObject({ path: endpointPath, methods: names.optional(), tools: names.optional() })
    .optional()
    .describe("Methods of a JSON-RPC endpoint, and tools for its method tools/call; every call of a batch is judged"),
  location: z.string().max(200).optional().describe("How a location is read off the path, such as :owner/:repo"),
  permissions: z.record(z.string().max(64), z.string().max(64)).optional(),
  cost: cost.describe("Cost units of one call; 1 unless told"),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, "must be a scope, RFC 6749 §3.3"))
    .max(20)
    .optional()
    .describe("The OAuth scopes that it needs at the upstream"),
  read_by_post: z.boolean().optional().describe("Whether a read may be a POST, for an upstream that searches so"),
});
export const catalogue = z.strictObject({
  operations: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$/), operation),
  repeatable: z
    .array(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "must be the plain name of a query parameter"))
    .max(50)
    .optional()
    .describe(
      "Query parameters that may stand several times, because the upstream reads them as lists; name[] always may",
    ),
});

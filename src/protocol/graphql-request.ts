import type { BodyCall } from "../domain/body-calls.ts";
import { isJsonObject, oneOrMany, type Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { readDocument } from "./graphql-document.ts";

/** Requests in one array: each is carried out. */
const MAX_BATCH = 10;
/** Root fields under different names in the whole of a body: each is carried out, however short the document. */
const MAX_ROOT_FIELDS = 50;
/** What a request may say. Anything else (`extensions`, `id`, `documentId`) can stand for a document that is not here. */
const MEMBERS = new Set(["query", "operationName", "variables"]);

/**
 * Reads all root fields of a GraphQL body (GraphQL over HTTP §5.4), or of a batch of them: those of
 * every operation in each document, whichever of them is named, and whatever directives would leave
 * out. What cannot be decided refuses the whole, with words for the caller.
 */
export function readGraphqlRequest(value: Json): Result<readonly BodyCall[], string> {
  const requests = oneOrMany(value);
  if (requests.length === 0) return err("the batch is empty");
  if (requests.length > MAX_BATCH) return err(`a batch may have at most ${MAX_BATCH} requests`);
  const calls: BodyCall[] = [];
  for (const request of requests) {
    const read = readOne(request);
    if (!read.ok) return read;
    calls.push(...read.value);
    if (calls.length > MAX_ROOT_FIELDS) return err(`a body may ask for at most ${MAX_ROOT_FIELDS} root fields`);
  }
  return ok(calls);
}

function readOne(value: Json): Result<readonly BodyCall[], string> {
  if (!isJsonObject(value)) return err("send a JSON object with query, or an array of them");
  if (Object.keys(value).some((name) => !MEMBERS.has(name)))
    return err("send query, operationName and variables alone: no stored documents, no extensions");
  const { query, operationName, variables } = value;
  if (typeof query !== "string")
    return err("query must be the text of the document; stored documents are not known here");
  if (operationName !== undefined && operationName !== null && typeof operationName !== "string")
    return err("operationName must be a text");
  if (variables !== undefined && (typeof variables !== "object" || Array.isArray(variables)))
    return err("variables must be an object");
  return readDocument(query, operationName ?? undefined);
}

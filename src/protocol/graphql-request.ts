import {
  Kind,
  Lexer,
  OperationTypeNode,
  parse,
  Source,
  TokenKind,
  type DocumentNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql/language";
import type { BodyCall } from "../domain/body-calls.ts";
import type { Json } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** Several times an introspection query, the longest that tools send. */
const MAX_TOKENS = 10_000;
/** Braces, brackets and parentheses within each other; the parser calls itself once for each. */
const MAX_DEPTH = 64;
/** Root fields under different names: each is carried out, however short the document. */
const MAX_ROOT_FIELDS = 50;

/** What a request may say. Anything else (`extensions`, `id`, `documentId`) can stand for a document that is not here. */
const MEMBERS = new Set(["query", "operationName", "variables"]);
/** Directives that only leave something out. Others do what the upstream makes of them. */
const DIRECTIVES = new Set(["skip", "include"]);
/**
 * Characters that readers treat differently (one takes for the end of a comment what another skips), so
 * that the document that is judged might not be the one that is carried out.
 */
const AMBIGUOUS = /[^\P{Cc}\t\n\r]|[\u2028\u2029\uFEFF]/u;

/** Says what stands in the way, in words for the caller. */
type Refused = Result<never, string>;

/**
 * Reads all root fields of a GraphQL request (GraphQL over HTTP §5.4) whose body is `value`: those of every
 * operation in the document, whichever of them is named, and whatever directives would leave out.
 * What cannot be decided is refused.
 */
export function readGraphqlRequest(value: Json): Result<readonly BodyCall[], string> {
  if (typeof value !== "object" || value === null) return err("send one JSON object with query");
  if (Array.isArray(value)) return err("send one document at a time, not an array");
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined)
    return err("send query, operationName and variables alone: no stored documents, no extensions");
  const { query, operationName, variables } = value as { readonly [name: string]: Json };
  if (typeof query !== "string")
    return err("query must be the text of the document; stored documents are not known here");
  if (operationName !== undefined && operationName !== null && typeof operationName !== "string")
    return err("operationName must be a text");
  if (variables !== undefined && (typeof variables !== "object" || Array.isArray(variables)))
    return err("variables must be an object");
  const document = parseDocument(query);
  return document.ok ? readDocument(document.value, operationName ?? undefined) : document;
}

/** The fields that a document calls. Aliases hide nothing: a field is judged by its own name. */
function readDocument(document: DocumentNode, operationName: string | undefined): Result<readonly BodyCall[], string> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
    else if (definition.kind !== Kind.FRAGMENT_DEFINITION) return err("send operations and fragments alone");
    // Of two with one name, another reader might take the other.
    else if (fragments.has(definition.name.value)) return err("two fragments have the same name");
    else fragments.set(definition.name.value, definition);
  }
  const names = operations.map(({ name }) => name?.value);
  if (new Set(names).size !== names.length || (names.length > 1 && names.includes(undefined)))
    return err("each operation of a document needs a name of its own");
  if (operationName === undefined ? names.length > 1 : !names.includes(operationName))
    return err("operationName must name one operation of the document");
  const calls: BodyCall[] = [];
  for (const { operation, selectionSet } of operations) {
    if (operation === OperationTypeNode.SUBSCRIPTION) return err("subscriptions do not pass the proxy");
    const fields = rootFields(selectionSet, fragments);
    if (!fields.ok) return fields;
    const kind = operation === OperationTypeNode.QUERY ? "query" : "mutation";
    calls.push(...fields.value.map((field) => ({ kind, field }) as const));
    if (calls.length > MAX_ROOT_FIELDS) return err(`a document may have at most ${MAX_ROOT_FIELDS} root fields`);
  }
  return calls.length === 0 ? err("the document asks for nothing") : ok(calls);
}

/**
 * The root fields as CollectFields (GraphQL §6.3.2) gathers them, less its conditions: each name in the
 * answer once, each fragment once, so that no nesting of fragments takes longer than it is long.
 */
function rootFields(
  root: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): Result<readonly string[], string> {
  const fields = new Map<string, string>();
  const visited = new Set<string>();
  const waiting = [root];
  for (let set = waiting.pop(); set !== undefined; set = waiting.pop()) {
    for (const selection of set.selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) waiting.push(selection.selectionSet);
      else if (selection.kind === Kind.FIELD) {
        const field = selection.name.value;
        // The name of the root type itself, which clients ask for out of habit, is no secret.
        if (field !== "__typename") fields.set(`${selection.alias?.value ?? field} ${field}`, field);
      } else if (!visited.has(selection.name.value)) {
        const fragment = fragments.get(selection.name.value);
        if (fragment === undefined) return err("a fragment is not in the document");
        visited.add(selection.name.value);
        waiting.push(fragment.selectionSet);
      }
    }
  }
  return ok([...fields.values()]);
}

function parseDocument(text: string): Result<DocumentNode, string> {
  if (AMBIGUOUS.test(text)) return err("the document holds control characters or line separators");
  const source = new Source(text);
  try {
    const refused = scan(source);
    return refused ?? ok(parse(source, { noLocation: true }));
  } catch {
    return err("query is not a GraphQL document");
  }
}

/** Looks at the tokens before the parser does, which would follow any depth. Throws where there is no token. */
function scan(source: Source): Refused | undefined {
  const lexer = new Lexer(source);
  let depth = 0;
  for (let count = 0; ; count += 1) {
    const { kind } = lexer.advance();
    if (kind === TokenKind.EOF) return undefined;
    if (count >= MAX_TOKENS) return err(`the document has more than ${MAX_TOKENS} tokens`);
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) depth += 1;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) depth -= 1;
    if (depth > MAX_DEPTH) return err(`the document is nested deeper than ${MAX_DEPTH}`);
    if (kind === TokenKind.AT && !DIRECTIVES.has(lexer.lookahead().value))
      return err("directives other than skip and include do not pass the proxy");
  }
}

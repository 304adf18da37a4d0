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
} from "graphql/language";
import type { BodyCall } from "../domain/body-calls.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { isTooLarge, rootFields, type Fragments } from "./graphql-selections.ts";

/** Several times an introspection query, the longest that tools send. */
const MAX_TOKENS = 10_000;
/** Braces, brackets and parentheses within each other; the parser calls itself once for each. */
const MAX_NESTING = 64;

/** Directives that only leave something out. Others do what the upstream makes of them. */
const DIRECTIVES = new Set(["skip", "include"]);
/**
 * Characters that readers treat differently (one takes for the end of a comment what another skips), so
 * that the document that is judged might not be the one that is carried out.
 */
const AMBIGUOUS = /[^\P{Cc}\t\n\r]|\r(?!\n)|[\u2028\u2029\uFEFF]/u;

/** The fields that a document calls, or what stands in the way of telling. */
export function readDocument(text: string, operationName: string | undefined): Result<readonly BodyCall[], string> {
  const parsed = parseDocument(text);
  if (!parsed.ok) return parsed;
  const definitions = sortDefinitions(parsed.value);
  if (!definitions.ok) return definitions;
  const { operations, fragments } = definitions.value;
  const names = operations.map(({ name }) => name?.value);
  if (new Set(names).size !== names.length || (names.length > 1 && names.includes(undefined)))
    return err("each operation of a document needs a name of its own");
  if (operationName === undefined ? names.length > 1 : !names.includes(operationName))
    return err("operationName must name one operation of the document");
  const tooLarge = isTooLarge(operations, fragments);
  if (tooLarge !== undefined) return err(tooLarge);
  const calls: BodyCall[] = [];
  for (const { operation, selectionSet } of operations) {
    if (operation === OperationTypeNode.SUBSCRIPTION) return err("subscriptions do not pass the proxy");
    const kind = operation === OperationTypeNode.QUERY ? "query" : "mutation";
    const fields = rootFields(selectionSet, fragments);
    if (fields.length === 0) return err("each operation of a document must ask for a field");
    calls.push(...fields.map(({ field, below }) => ({ kind, field, below }) as const));
  }
  return calls.length === 0 ? err("the document asks for nothing") : ok(calls);
}

interface Definitions {
  readonly operations: readonly OperationDefinitionNode[];
  readonly fragments: Fragments;
}

function sortDefinitions({ definitions }: DocumentNode): Result<Definitions, string> {
  const operations: OperationDefinitionNode[] = [];
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
    else if (definition.kind !== Kind.FRAGMENT_DEFINITION) return err("send operations and fragments alone");
    // Of two with one name, another reader might take the other.
    else if (fragments.has(definition.name.value)) return err("two fragments have the same name");
    else fragments.set(definition.name.value, definition);
  }
  return ok({ operations, fragments });
}

function parseDocument(text: string): Result<DocumentNode, string> {
  if (AMBIGUOUS.test(text)) return err("the document holds control characters or unusual line ends");
  const source = new Source(text);
  try {
    const refused = scan(source);
    return refused === undefined ? ok(parse(source, { noLocation: true })) : err(refused);
  } catch {
    return err("query is not a GraphQL document");
  }
}

/** Looks at the tokens before the parser does, which would follow any depth. Throws where there is no token. */
function scan(source: Source): string | undefined {
  const lexer = new Lexer(source);
  let nesting = 0;
  for (let count = 0; ; count += 1) {
    const { kind } = lexer.advance();
    if (kind === TokenKind.EOF) return undefined;
    if (count >= MAX_TOKENS) return `the document has more than ${MAX_TOKENS} tokens`;
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) nesting += 1;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) nesting -= 1;
    if (nesting > MAX_NESTING) return `the document is nested deeper than ${MAX_NESTING}`;
    if (kind === TokenKind.AT && !DIRECTIVES.has(lexer.lookahead().value))
      return "directives other than skip and include do not pass the proxy";
  }
}

import fc from "fast-check";
import { buildSchema, executeSync, getIntrospectionQuery, parse } from "graphql";
import { describe, expect, it } from "vitest";
import type { Json } from "../domain/canonical-json.ts";
import { readGraphqlRequest } from "./graphql-request.ts";

/** The calls in words, or nothing where they are refused. */
function calls(value: Json): string[] | undefined {
  const read = readGraphqlRequest(value);
  return read.ok
    ? read.value.map((call) => (call.kind === "query" || call.kind === "mutation" ? `${call.kind} ${call.field}` : ""))
    : undefined;
}
const callsOf = (query: string, more: { [name: string]: Json } = {}) => calls({ query, ...more });
const repeat = (times: number, text: (at: number) => string) =>
  Array.from({ length: times }, (_, at) => text(at)).join(" ");

describe("what a GraphQL body calls (P18)", () => {
  it.each<[string, string[], { [name: string]: Json }?]>([
    ["{ issues { id } }", ["query issues"]],
    ["query { issues }", ["query issues"]],
    ["mutation { issueDelete(id: 1) { ok } }", ["mutation issueDelete"]],
    ["{ harmless: issueDelete }", ["query issueDelete"]],
    ["{ a: issues b: issues c: users }", ["query issues", "query issues", "query users"]],
    ["{ issues { id } issues { title } }", ["query issues"]],
    // Every operation counts, whichever is named.
    ["query A { issues } mutation B { issueDelete }", ["query issues", "mutation issueDelete"], { operationName: "A" }],
    ["query A { issues }", ["query issues"], { operationName: "A" }],
    ["query A { issues }", ["query issues"], { operationName: null, variables: null }],
    // Fragments are followed, by name and in line, to any depth.
    ["{ ...F } fragment F on Query { users ...G } fragment G on Query { teams }", ["query users", "query teams"]],
    ["mutation { ...F ... { x } } fragment F on Mutation { y }", ["mutation y", "mutation x"]],
    ["{ ... on Query { ... { issues } } }", ["query issues"]],
    ["{ ...F ...F } fragment F on Query { users }", ["query users"]],
    // No condition hides a field.
    [
      "query ($v: Boolean!) { issues users @include(if: $v) }",
      ["query issues", "query users"],
      { variables: { v: false } },
    ],
    ["{ issues ... @skip(if: true) { users } }", ["query issues", "query users"]],
    ["{ issues ...F @include(if: false) } fragment F on Query { users }", ["query issues", "query users"]],
    // What looks like a document within a document is not one.
    ['{ issues(filter: "} mutation { issueDelete }") }', ["query issues"]],
    ['{ issues(filter: """ } mutation { x } """) }', ["query issues"]],
    ["{ issues # mutation { issueDelete }\n users }", ["query issues", "query users"]],
    ["# a comment\n,,, { issues,, }", ["query issues"]],
    // Asking what there is, is asking.
    ["{ __schema { types { name } } }", ["query __schema"]],
    ['{ __type(name: "Issue") { name } issues }', ["query __type", "query issues"]],
    ["{ __typename issues }", ["query issues"]],
    ["{ issues { a: id b: id __typename } }", ["query issues"]],
  ])("%s", (query, expected, more = {}) => {
    expect(callsOf(query, more)?.toSorted()).toEqual(expected.toSorted());
  });

  it.each([
    ["nothing", ""],
    ["white space", " \n"],
    ["a word", "issues"],
    ["an empty selection", "{ }"],
    ["no more than a type's name", "{ __typename }"],
    ["a mutation of no more than a type's name", "query A { issues } mutation B { __typename }"],
    ["a subscription", "subscription { issues }"],
    ["a subscription beside a query", "query A { issues } subscription B { issues }"],
    ["a fragment alone", "fragment F on Query { issues }"],
    ["a fragment that is not there", "{ ...F }"],
    ["a fragment that is not there, deep inside", "{ issues { ...F } }"],
    ["a fragment in itself", "{ ...F } fragment F on Query { issues ...F }"],
    ["fragments in each other", "{ issues { ...F } } fragment F on I { x { ...G } } fragment G on I { ...F }"],
    ["an unused fragment in itself", "{ issues } fragment F on Query { ...F }"],
    ["two fragments of one name", "{ ...F } fragment F on Query { issues } fragment F on Query { issueDelete }"],
    ["two operations of one name", "query A { issues } mutation A { issueDelete }"],
    ["an operation without a name among others", "query A { issues } { users }"],
    ["a type beside the operation", "{ issues } type X { y: Int }"],
    ["a schema", "schema { query: X }"],
    ["a directive that makes several answers", "{ issues ... @defer { users } }"],
    ["a streamed list", "{ issues @stream }"],
    ["a directive that nobody knows", "{ issues @export(as: x) }"],
    ["a directive on the operation", "query @live { issues }"],
    ["a directive that is almost a known one", "{ issues @Include(if: true) }"],
    ["an operation that does not end", "{ issues"],
    ["something after the document", "{ issues } }"],
    ["a byte order mark", "\uFEFF{ issues }"],
    ["a line separator, which ends a comment for some", "{ issues #\u2028 issueDelete\n }"],
    ["a lone carriage return, which ends a comment for some", "{ issues #\r issueDelete\n }"],
    ["a next-line character", "{ issues #\u0085 issueDelete\n }"],
    ["a control character", "{ issues \u0000 }"],
    ["an escape in a name", "{ issu\\u0065s }"],
    ["variables for a fragment", "{ ...F(x: 1) } fragment F($x: Int) on Query { issues }"],
  ])("refuses %s", (_, query) => {
    expect(callsOf(query, query.includes("query A") ? { operationName: "A" } : {})).toBeUndefined();
  });

  it.each<[string, Json]>([
    ["no object", "{ issues }"],
    ["null", null],
    ["an empty object", {}],
    ["a document that is stored elsewhere", { extensions: { persistedQuery: { version: 1, sha256Hash: "x" } } }],
    ["a stored document beside one that is here", { query: "{ issues }", extensions: { persistedQuery: {} } }],
    ["an id", { query: "{ issues }", id: "x" }],
    ["a documentId", { documentId: "x" }],
    ["a second spelling of query", { query: "{ issues }", Query: "mutation { issueDelete }" }],
    ["a query that is no text", { query: ["{ issues }"] }],
    ["a query that is an object", { query: { toString: "{ issues }" } }],
    ["an operationName that is no text", { query: "{ issues }", operationName: ["A"] }],
    ["an operationName of nobody", { query: "query A { issues }", operationName: "B" }],
    ["an operationName where nothing has a name", { query: "{ issues }", operationName: "A" }],
    ["an empty operationName", { query: "query A { issues }", operationName: "" }],
    ["no operationName where several are", { query: "query A { issues } query B { users }" }],
    ["variables that are a list", { query: "{ issues }", variables: [] }],
    ["variables as text", { query: "{ issues }", variables: "{}" }],
    ["an empty batch", []],
    ["a batch in a batch", [[{ query: "{ issues }" }]]],
    ["a batch with one that cannot be read", [{ query: "{ issues }" }, { query: "subscription { x }" }]],
    ["a batch with nothing in it", [{ query: "{ issues }" }, null]],
    ["eleven at once", Array.from({ length: 11 }, () => ({ query: "{ issues }" }))],
  ])("refuses %s", (_, value) => {
    expect(calls(value)).toBeUndefined();
  });

  it("reads a batch as all that is in it", () => {
    expect(calls([{ query: "{ issues }" }, { query: "mutation { issueDelete }" }])).toEqual([
      "query issues",
      "mutation issueDelete",
    ]);
  });

  it.each([
    ["1000 aliases at the root", `{ ${repeat(1000, (at) => `a${at}: issues`)} }`],
    ["1000 aliases of the type's name", `{ issues ${repeat(1000, (at) => `a${at}: __typename`)} }`],
    ["51 fields", `{ ${repeat(51, (at) => `f${at}`)} }`],
    ["1000 aliases further down", `{ issues { ${repeat(1000, (at) => `a${at}: id`)} } }`],
    [
      "101 aliases through a fragment",
      `{ issues { ...F } users { ...F } } fragment F on X { ${repeat(51, (at) => `a${at}: id`)} }`,
    ],
    [
      "fragments that double fifty times",
      `{ issues { ...F0 } } ${repeat(30, (at) => `fragment F${at} on X { x { ...F${at + 1} } y { ...F${at + 1} } }`)} fragment F30 on X { id }`,
    ],
    [
      "a long chain of fragments",
      `{ ...F0 } ${repeat(500, (at) => `fragment F${at} on X { ...F${at + 1} }`)} fragment F500 on X { id }`,
    ],
    ["33 levels", `${"{ a ".repeat(33)}${"}".repeat(33)}`],
    ["a hundred thousand braces", "{a".repeat(100_000)],
    ["a hundred thousand brackets", `{ a(x: ${"[".repeat(100_000)}`],
    ["a type of many lists", `query ($x: ${"[".repeat(65)}Int${"]".repeat(65)}) { a }`],
    ["too many tokens", `{ issues(ids: [${"1 ".repeat(10_001)}]) }`],
  ])("refuses %s", (_, query) => {
    expect(callsOf(query)).toBeUndefined();
  });

  it("takes what tools send to learn a schema, where that is granted", () => {
    expect(callsOf(getIntrospectionQuery())).toEqual(["query __schema"]);
  });

  it("P12 P13 names at least what a server carries out, whatever the document", () => {
    let done = 0;
    fc.assert(
      fc.property(document, fc.constantFrom(undefined, "A", "B"), fc.boolean(), (query, operationName, v) => {
        const named = callsOf(query, operationName === undefined ? {} : { operationName });
        if (named === undefined) return;
        const carried = carriedOut(query, operationName, v);
        for (const call of carried) expect(named).toContain(call);
        done += carried.size;
      }),
      { numRuns: 2000 },
    );
    expect(done).toBeGreaterThan(200);
  });
});

const schema = buildSchema(`
  type Node { a: Node b: Node }
  type Query { a: Node b: Node c: Node }
  type Mutation { a: Node b: Node c: Node }
`);

/** The root fields that a real server resolves, and one that validates nothing at that. */
function carriedOut(source: string, operationName: string | undefined, v: boolean): Set<string> {
  const seen = new Set<string>();
  executeSync({
    schema,
    document: parse(source),
    operationName: operationName ?? null,
    variableValues: { v },
    fieldResolver: (parent, _args, _context, { parentType, fieldName }) => {
      if (parent !== undefined) return {};
      seen.add(`${parentType.name.toLowerCase()} ${fieldName}`);
      return {};
    },
  });
  return seen;
}

const { document } = fc.letrec<{ document: string; set: string; selection: string }>((tie) => ({
  selection: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("a { __typename }", "b { a { __typename } }", "x: b { __typename }", "...F", "...G"),
    fc
      .tuple(fc.constantFrom("", "y: ", "z: "), fc.constantFrom("a", "b", "c"), condition(), tie("set"))
      .map(([alias, field, when, set]) => `${alias}${field} ${when} ${set}`),
    fc
      .tuple(fc.constantFrom("...", "... on Query", "... on Mutation", "... on Node"), condition(), tie("set"))
      .map(([on, when, set]) => `${on} ${when} ${set}`),
  ),
  set: fc
    .array(tie("selection"), { minLength: 1, maxLength: 3, depthIdentifier: "set" })
    .map((selections) => `{ ${selections.join(" ")} }`),
  document: fc
    .tuple(
      fc.constantFrom("query A", "query A($v: Boolean!)", "mutation A", ""),
      tie("set"),
      fc.option(fc.tuple(fc.constantFrom("query B", "mutation B($v: Boolean!)"), tie("set"))),
      fc.constantFrom("Query", "Mutation", "Node"),
      tie("set"),
      fc.constantFrom("Query", "Mutation", "Node"),
      tie("set"),
    )
    .map(([a, inA, b, onF, inF, onG, inG]) =>
      [
        `${a} ${inA}`,
        b?.join(" ") ?? "",
        // A fragment in itself is refused, which is tried elsewhere.
        `fragment F on ${onF} ${inF.replaceAll("...F", "c")}`,
        `fragment G on ${onG} ${inG.replaceAll(/\.\.\.[FG]/g, "c")}`,
      ].join("\n"),
    ),
}));

function condition(): fc.Arbitrary<string> {
  return fc.constantFrom("", "", "@skip(if: true)", "@include(if: false)", "@include(if: true)");
}

import { describe, expect, it } from "vitest";
import { compileEndpoints } from "./body-calls.ts";
import type { Given } from "./given-location.ts";
import type { Operation } from "./tenant.ts";

const OPERATION = { access: "write", title: "x", routes: [] } as const;
const compile = (operations: Record<string, Operation>) => compileEndpoints({ operations });

describe("compileEndpoints", () => {
  it("names calls by protocol and kind: a query of a name is not the mutation of it, a method not the tool", () => {
    const compiled = compile({
      read: { ...OPERATION, access: "read", graphql: { path: "/graphql", query: ["issue"] } },
      write: { ...OPERATION, cost: 5, graphql: { path: "/graphql", mutation: ["issue"] } },
      rpc: { ...OPERATION, jsonrpc: { path: "/rpc", methods: ["search"], tools: ["create"] } },
    });
    if (!compiled.ok) throw new Error(compiled.error.message);
    const [graphql, rpc] = [compiled.value("/graphql")!, compiled.value("/rpc")!];
    expect(graphql.resolve({ kind: "query", field: "issue", below: [] })).toEqual([
      { operation: "read", access: "read", cost: 1 },
    ]);
    expect(graphql.resolve({ kind: "mutation", field: "issue", below: [] })).toEqual([
      { operation: "write", access: "write", cost: 5 },
    ]);
    expect(graphql.resolve({ kind: "query", field: "toString", below: [] })).toEqual([]);
    expect(rpc.resolve({ kind: "tool", tool: "create", given: {} })).toHaveLength(1);
    expect(rpc.resolve({ kind: "tool", tool: "search", given: {} })).toEqual([]);
    expect(rpc.resolve({ kind: "method", method: "create", given: {} })).toEqual([]);
    expect(compiled.value("/other")).toBeUndefined();
  });

  it("lets a call ask for no more below its field than one operation covers in full", () => {
    const compiled = compile({
      all: { ...OPERATION, graphql: { path: "/g", query: ["teams"] } },
      some: { ...OPERATION, graphql: { path: "/g", query: ["issue", "teams"], selects: ["id", "title"] } },
      others: { ...OPERATION, graphql: { path: "/g", query: ["issue"], selects: ["id", "secret"] } },
    });
    const names = (field: string, below: string[]) =>
      compiled.ok
        ? compiled
            .value("/g")!
            .resolve({ kind: "query", field, below })
            .map(({ operation }) => operation)
        : undefined;
    expect(names("issue", [])).toEqual(["some", "others"]);
    expect(names("issue", ["id", "title"])).toEqual(["some"]);
    expect(names("issue", ["title", "secret"])).toEqual([]);
    expect(names("teams", ["webhooks", "secret"])).toEqual(["all"]);
  });

  it.each<[string, Given, string | undefined]>([
    ["both parts", { owner: "acme", repo: "api", title: "x" }, "acme/api"],
    ["a part that is left out", { owner: "acme" }, undefined],
    ["an empty part", { owner: "acme", repo: "" }, undefined],
    ["a part that is no text", { owner: "acme", repo: ["api"] }, undefined],
    ["a part that is null", { owner: "acme", repo: null }, undefined],
    ["a part that is made of two", { owner: "acme/api", repo: "x" }, undefined],
    ["a part with a space", { owner: "acme", repo: "api " }, undefined],
    ["a wildcard", { owner: "acme", repo: "*" }, undefined],
    ["a part in letters of another script", { owner: "acme", repo: "аpi" }, undefined],
    ["a part under a second name", { owner: "acme", repo: "api", Repo: "web" }, undefined],
    ["a part under a second name with a dash", { owner: "acme", repo: "api", "re-po": "web" }, undefined],
    ["a part under a second name of full width", { owner: "acme", repo: "api", ｒepo: "web" }, undefined],
    ["other letters, which are another place", { owner: "acme", repo: "API" }, "acme/API"],
  ])("reads a location off what a tool is given: %s", (_, given, location) => {
    const compiled = compile({
      a: { ...OPERATION, location: ":owner/:repo", jsonrpc: { path: "/g", tools: ["open"], methods: ["open"] } },
    });
    if (!compiled.ok) throw new Error(compiled.error.message);
    const resolve = compiled.value("/g")!.resolve;
    const expected = location === undefined ? [] : [{ operation: "a", access: "write", cost: 1, location }];
    expect(resolve({ kind: "tool", tool: "open", given })).toEqual(expected);
    expect(resolve({ kind: "method", method: "open", given })).toEqual(expected);
  });

  it("finds an endpoint under every spelling, so that none slips past as an ordinary path", () => {
    const compiled = compile({ read: { ...OPERATION, graphql: { path: "/graphql", query: ["issue"] } } });
    expect(compiled).toMatchObject({ ok: true });
    if (compiled.ok) expect(compiled.value("/GraphQL")?.path).toBe("/graphql");
  });

  it.each<[string, Record<string, Operation>, RegExp]>([
    ["an operation without any calls", { a: OPERATION }, /needs routes/],
    [
      "a read with a mutation",
      { a: { ...OPERATION, access: "read", graphql: { path: "/g", mutation: ["x"] } } },
      /mutation is not a read/,
    ],
    ["GraphQL without fields", { a: { ...OPERATION, graphql: { path: "/g" } } }, /needs query or mutation/],
    ["JSON-RPC without methods", { a: { ...OPERATION, jsonrpc: { path: "/r" } } }, /needs methods or tools/],
    ["every tool at once", { a: { ...OPERATION, jsonrpc: { path: "/r", methods: ["tools/call"] } } }, /name the tools/],
    [
      "a location that no body has",
      { a: { ...OPERATION, location: ":a", graphql: { path: "/g", query: ["x"] } } },
      /has no location/,
    ],
    [
      "two protocols on one path",
      {
        a: { ...OPERATION, graphql: { path: "/g", query: ["x"] } },
        b: { ...OPERATION, jsonrpc: { path: "/g", methods: ["x"] } },
      },
      /another spelling or protocol/,
    ],
    [
      "two spellings of one path",
      {
        a: { ...OPERATION, graphql: { path: "/g", query: ["x"] } },
        b: { ...OPERATION, graphql: { path: "/G", query: ["y"] } },
      },
      /another spelling or protocol/,
    ],
  ])("refuses %s", (_, operations, message) => {
    const compiled = compile(operations);
    expect(compiled).toMatchObject({ ok: false });
    if (!compiled.ok) expect(compiled.error.message).toMatch(message);
  });
});

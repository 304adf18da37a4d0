import { err, ok, type Result } from "./result.ts";
import { locationFrom, type Given } from "./given-location.ts";
import { costOf, type CatalogueFault, type ResolvedCall } from "./operations.ts";
import type { Catalogue, Operation } from "./tenant.ts";

/** One call that stands in a request's body, as its protocol names it. */
export type BodyCall =
  /** A root field, and the names of all fields that are asked for below it. */
  | { readonly kind: "query" | "mutation"; readonly field: string; readonly below: readonly string[] }
  | { readonly kind: "method"; readonly method: string; readonly given: Given }
  | { readonly kind: "tool"; readonly tool: string; readonly given: Given };

/** A path whose calls only their body tells apart. */
export interface Endpoint {
  /** The path to the letter. */
  readonly path: string;
  readonly protocol: "graphql" | "jsonrpc";
  /** Names the operations that a call could be. It may belong to several. */
  readonly resolve: (call: BodyCall) => readonly ResolvedCall[];
}

/**
 * Finds the endpoint of a path, in any case: a server that does not tell cases apart would take
 * another spelling for the same endpoint, past its body's judgement.
 */
export type EndpointFinder = (path: string) => Endpoint | undefined;

/** The method by which the Model Context Protocol calls every tool; what it does is in its parameters. */
export const TOOLS_CALL = "tools/call";

interface OpenEndpoint extends Pick<Endpoint, "path" | "protocol"> {
  readonly calls: Map<string, Meaning[]>;
}

interface Meaning {
  readonly call: ResolvedCall;
  /** The fields that may be asked for below; undefined for all of them. */
  readonly selects: ReadonlySet<string> | undefined;
  /** How the location is read off what the call is given; undefined for an operation that knows none. */
  readonly location: string | undefined;
}

/** Compiles those calls of a catalogue that stand in bodies. Fails with the first operation that cannot be compiled. */
export function compileEndpoints(catalogue: Catalogue): Result<EndpointFinder, CatalogueFault> {
  const endpoints = new Map<string, OpenEndpoint>();
  for (const [name, operation] of Object.entries(catalogue.operations)) {
    const message = faultOf(operation) ?? addTo(endpoints, name, operation);
    if (message !== undefined) return err({ operation: name, message });
  }
  const found = new Map(
    [...endpoints].map(([key, { path, protocol, calls }]): [string, Endpoint] => [
      key,
      { path, protocol, resolve: (call) => (calls.get(keyOf(call)) ?? []).flatMap(meaningOf(call)) },
    ]),
  );
  return ok((path) => found.get(path.toLowerCase()));
}

/** What a call means by one operation, if that covers everything in it, and it can be told where it works. */
function meaningOf(call: BodyCall): (meaning: Meaning) => ResolvedCall[] {
  return ({ call: resolved, selects, location: template }) => {
    if ("below" in call) return call.below.every((name) => selects?.has(name) ?? true) ? [resolved] : [];
    if (template === undefined) return [resolved];
    const location = locationFrom(template, call.given);
    return location === undefined ? [] : [{ ...resolved, location }];
  };
}

function faultOf({ access, routes, location, graphql, jsonrpc }: Operation): string | undefined {
  if (graphql === undefined && jsonrpc === undefined)
    return routes.length === 0 ? "needs routes, graphql or jsonrpc" : undefined;
  if (location !== undefined && graphql !== undefined) return "a GraphQL field has no location; leave location out";
  if (graphql !== undefined && (graphql.query ?? graphql.mutation) === undefined)
    return "graphql needs query or mutation";
  if (access === "read" && graphql?.mutation !== undefined) return "a mutation is not a read; mark the operation write";
  if (jsonrpc !== undefined && (jsonrpc.methods ?? jsonrpc.tools) === undefined)
    return "jsonrpc needs methods or tools";
  if (jsonrpc?.methods?.includes(TOOLS_CALL) === true)
    return `${TOOLS_CALL} alone would be every tool; name the tools instead`;
  return undefined;
}

function addTo(endpoints: Map<string, OpenEndpoint>, name: string, operation: Operation): string | undefined {
  const { graphql, jsonrpc, access, location } = operation;
  const meaning: Meaning = {
    call: { operation: name, access, cost: costOf(operation) },
    selects: graphql?.selects === undefined ? undefined : new Set(graphql.selects),
    location,
  };
  for (const { protocol, path, calls } of [
    ...(graphql === undefined ? [] : [{ protocol: "graphql" as const, path: graphql.path, calls: fieldsOf(graphql) }]),
    ...(jsonrpc === undefined ? [] : [{ protocol: "jsonrpc" as const, path: jsonrpc.path, calls: methodsOf(jsonrpc) }]),
  ]) {
    const endpoint: OpenEndpoint = endpoints.get(path.toLowerCase()) ?? { path, protocol, calls: new Map() };
    if (endpoint.path !== path || endpoint.protocol !== protocol)
      return `${path} is an endpoint of another spelling or protocol already`;
    endpoints.set(path.toLowerCase(), endpoint);
    for (const key of calls) endpoint.calls.set(key, [...(endpoint.calls.get(key) ?? []), meaning]);
  }
  return undefined;
}

function fieldsOf({ query = [], mutation = [] }: NonNullable<Operation["graphql"]>): string[] {
  return [
    ...query.map((field) => keyOf({ kind: "query", field, below: [] })),
    ...mutation.map((field) => keyOf({ kind: "mutation", field, below: [] })),
  ];
}

function methodsOf({ methods = [], tools = [] }: NonNullable<Operation["jsonrpc"]>): string[] {
  return [
    ...methods.map((method) => keyOf({ kind: "method", method, given: {} })),
    ...tools.map((tool) => keyOf({ kind: "tool", tool, given: {} })),
  ];
}

function keyOf(call: BodyCall): string {
  switch (call.kind) {
    case "query":
    case "mutation":
      return `${call.kind} ${call.field}`;
    case "method":
      return `method ${call.method}`;
    case "tool":
      return `tool ${call.tool}`;
  }
}

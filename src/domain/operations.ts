import { standsFor } from "./query-names.ts";
import { err, ok, type Result } from "./result.ts";
import type { Catalogue, Operation } from "./tenant.ts";

/** A call of an upstream, named: which operation it is, and where. */
export interface ResolvedCall {
  readonly operation: string;
  readonly access: "read" | "write";
  /** Cost units of one call. */
  readonly cost: number;
  readonly location?: string | undefined;
}

/**
 * Names the operations that a call could be. A path may belong to several.
 *
 * @param queryNames decoded. A call whose location its query names too is of no operation: some
 *   servers take `owner` from the query before they take it from the path
 */
export type CallResolver = (method: string, path: string, queryNames: readonly string[]) => ResolvedCall[];

interface CompiledRoute {
  readonly pattern: URLPattern;
  readonly operation: string;
  readonly access: "read" | "write";
  readonly cost: number;
  readonly location: string | undefined;
  /** The path's parameters that the location is made of. */
  readonly located: readonly string[];
}

/** The part of `Route` errors that an operator can mend. */
export type CatalogueFault = { readonly operation: string; readonly message: string };

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * Compiles a catalogue once, so that naming a call costs one look at the routes of its method.
 * Fails with the first operation that cannot be compiled.
 */
export function compileCatalogue(catalogue: Catalogue): Result<CallResolver, CatalogueFault> {
  const routesByMethod = new Map<string, CompiledRoute[]>();
  for (const [name, operation] of Object.entries(catalogue.operations)) {
    for (const line of operation.routes) {
      const compiled = compileRoute(name, operation, line);
      if (!compiled.ok) return compiled;
      const { method, route } = compiled.value;
      const routes = routesByMethod.get(method) ?? [];
      routes.push(route);
      routesByMethod.set(method, routes);
    }
  }
  return ok((method, path, queryNames) => {
    const calls: ResolvedCall[] = [];
    for (const route of routesByMethod.get(method) ?? []) {
      const match = route.pattern.exec({ pathname: path });
      if (match === null || route.located.some((part) => queryNames.some((name) => standsFor(name, part)))) continue;
      const { operation, access, cost } = route;
      const location = route.location === undefined ? undefined : fill(route.location, match.pathname.groups);
      calls.push({ operation, access, cost, ...(location === undefined ? {} : { location }) });
    }
    return calls;
  });
}

/** A catalogue without the operations that a tenant does not offer; all of them stay where none are named. */
export function restrictCatalogue(catalogue: Catalogue, names: readonly string[] | undefined): Catalogue {
  if (names === undefined) return catalogue;
  const offered = Object.entries(catalogue.operations).filter(([name]) => names.includes(name));
  return { ...catalogue, operations: Object.fromEntries(offered) };
}

function compileRoute(
  name: string,
  operation: Operation,
  line: string,
): Result<{ method: string; route: CompiledRoute }, CatalogueFault> {
  const [method, path, ...rest] = line.split(" ");
  if (method === undefined || path === undefined || rest.length > 0 || !METHODS.has(method)) {
    return err({ operation: name, message: `"${line}" is not a METHOD and a path` });
  }
  if (!path.startsWith("/")) {
    return err({ operation: name, message: `"${path}" does not start with /` });
  }
  const readingMethods = operation.read_by_post === true ? ["GET", "HEAD", "POST"] : ["GET", "HEAD"];
  if (operation.access === "read" && !readingMethods.includes(method)) {
    return err({ operation: name, message: `${method} is not a read; mark the operation write` });
  }
  let pattern: URLPattern;
  try {
    pattern = new URLPattern({ pathname: path });
  } catch {
    return err({ operation: name, message: `"${path}" is not a URLPattern pathname` });
  }
  const { location } = operation;
  const located = [...(location?.matchAll(PARAMETER) ?? [])].flatMap(([, parameter]) => parameter ?? []);
  for (const parameter of located) {
    if (!new RegExp(`:${parameter}(?![A-Za-z0-9_])`).test(path)) {
      return err({ operation: name, message: `"${path}" has no :${parameter} for the location` });
    }
  }
  const { access } = operation;
  return ok({ method, route: { pattern, operation: name, access, cost: costOf(operation), location, located } });
}

/** What one call of an operation takes from the `units` that a session is limited to. */
export function costOf({ cost = 1 }: Operation): number {
  return cost;
}

/** A part of a location that is filled in. */
export const PARAMETER = /:([A-Za-z_][A-Za-z0-9_]*)/g;

/** Fills `:owner/:repo` from a path's parameters. */
function fill(template: string, groups: Record<string, string | undefined>): string {
  return template.replaceAll(PARAMETER, (_, name: string) => groups[name] ?? "");
}

import { canonicalJson } from "./canonical-json.ts";

/** One difference between two documents, at a JSON pointer (RFC 6901). */
export type Change =
  | { readonly path: string; readonly op: "add"; readonly after: unknown }
  | { readonly path: string; readonly op: "remove"; readonly before: unknown }
  | { readonly path: string; readonly op: "replace"; readonly before: unknown; readonly after: unknown };

/** What turns `before` into `after`, in document order, each difference as deep as it goes. */
export function diffDocuments(before: unknown, after: unknown, path = ""): Change[] {
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => diffMember(before, after, name, `${path}/${escapePointer(name)}`));
  }
  return canonicalJson(before) === canonicalJson(after) ? [] : [{ path, op: "replace", before, after }];
}

/** An object or a list, of which each member has a name. */
type Container = { readonly [name: string]: unknown };

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

function diffMember(before: Container, after: Container, name: string, path: string): Change[] {
  const [old, fresh] = [valueAt(before, name), valueAt(after, name)];
  if (old === undefined) return fresh === undefined ? [] : [{ path, op: "add", after: fresh }];
  if (fresh === undefined) return [{ path, op: "remove", before: old }];
  return diffDocuments(old, fresh, path);
}

/** Nothing that every object inherits: an operation may be called `toString`. */
function valueAt(container: Container, name: string): unknown {
  return Object.hasOwn(container, name) ? container[name] : undefined;
}

function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

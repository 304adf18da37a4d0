import { spelling } from "./spelling.ts";

/** The names of a query, decoded, in the order in which they stand there. */
export function namesOf(query: string): string[] {
  const pairs = query === "" ? [] : query.split("&");
  return pairs.map((pair) => decodeURIComponent((pair.split("=", 1)[0] ?? "").replaceAll("+", " ")));
}

/**
 * The name that a name with indexes belongs to: `expand` for `expand[0]` and `expand.0`. Some readers
 * drop spaces before it.
 */
export function rootOf(name: string): string {
  return name.trim().split(/[[.]/, 1)[0] ?? "";
}

/** Whether some reader would take a parameter for the named one: in other letters, with other punctuation, or as a list. */
export function standsFor(name: string, wanted: string): boolean {
  return spelling(name) === spelling(wanted) || spelling(rootOf(name)) === spelling(wanted);
}

/**
 * Whether every reader makes the same of a query's names. Of a plain name that stands twice one reader
 * takes the first value, another the last, a third both; a list says that it is one (`expand[]`). So a
 * name may stand again if it ends in `[]`, or if the upstream is known to read it as a list.
 *
 * Refused as well: one name written in two ways (`a` and `a[]`, `a[]` and `a[0]`, `a` and `A`), and
 * brackets that do not close.
 *
 * @param repeatable plain names that the upstream reads as lists
 */
export function isUnambiguous(names: readonly string[], repeatable: readonly string[] = []): boolean {
  const seen = new Set<string>();
  const shapes = new Map<string, Shape>();
  for (const name of names) {
    if (seen.has(name)) {
      if (name.endsWith("[]") || repeatable.includes(name)) continue;
      return false;
    }
    seen.add(name);
    const parts = partsOf(name);
    if (parts === undefined || !fits(shapes, parts)) return false;
  }
  return true;
}

/** What stands at one place of the tree that indexed names make, and how it was first written. */
interface Shape {
  readonly written: string;
  readonly holds: "value" | "list" | "members";
}

/** `filter[tags][]` as `filter`, `[tags]`, `[]`. */
function partsOf(name: string): string[] | undefined {
  if (name === "") return [""];
  const parts = name.match(/\[[^[\]]*\]|[^[\]]+/g) ?? [];
  return parts.join("") === name ? parts : undefined;
}

function fits(shapes: Map<string, Shape>, parts: readonly string[]): boolean {
  for (const at of parts.keys()) {
    const written = parts.slice(0, at + 1).join("");
    const next = parts[at + 1];
    const holds = next === undefined ? "value" : next === "[]" ? "list" : "members";
    const place = written.normalize("NFKC").toLowerCase().trim();
    const known = shapes.get(place);
    if (known === undefined) shapes.set(place, { written, holds });
    else if (known.written !== written || known.holds !== holds) return false;
  }
  return true;
}

import { isJsonObject, type Json } from "./canonical-json.ts";
import { spelling } from "./spelling.ts";
import type { Server } from "./tenant.ts";
import type { ShownTool } from "./tool-definitions.ts";

/**
 * The tools that are registered as writing and say of themselves that they only read. Hosts ask nobody
 * before they call what only reads, so that this is no claim to be accepted by oversight.
 */
export function falseReaders(shown: readonly ShownTool[], { tools }: Pick<Server, "tools">): string[] {
  return shown
    .filter(({ name }) => Object.hasOwn(tools, name) && tools[name]!.access === "write")
    .filter(({ definition }) => saysItOnlyReads(JSON.parse(definition) as Json))
    .map(({ name }) => name);
}

/**
 * As the most forgiving host reads it: some know a name in any case, and take `"true"` or `1` for true.
 * Read strictly, a claim that is only almost one would be there to be accepted.
 */
function saysItOnlyReads(definition: Json): boolean {
  return valuesOf(definition, "annotations")
    .flatMap((annotations) => valuesOf(annotations, "readOnlyHint"))
    .some((hint) => Boolean(hint) && hint !== "false");
}

function valuesOf(value: Json, name: string): Json[] {
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([other, one]) => (spelling(other) === spelling(name) ? [one] : []));
}

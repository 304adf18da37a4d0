import type { Server } from "./tenant.ts";
import type { ShownTool } from "./tool-definitions.ts";

/**
 * The tools that are registered as writing and say of themselves that they only read. Hosts ask nobody
 * before they call what only reads, so that this is no claim to be accepted by oversight.
 */
export function falseReaders(shown: readonly ShownTool[], { tools }: Pick<Server, "tools">): string[] {
  return shown
    .filter(({ name }) => Object.hasOwn(tools, name) && tools[name]!.access === "write")
    .filter(({ definition }) => saysItOnlyReads(JSON.parse(definition) as Definition))
    .map(({ name }) => name);
}

type Definition = { readonly annotations?: { readonly readOnlyHint?: unknown } | null } | null;

function saysItOnlyReads(definition: Definition): boolean {
  return definition?.annotations?.readOnlyHint === true;
}

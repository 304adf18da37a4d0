import type { ShownTool } from "../domain/tool-definitions.ts";
import { digestOf } from "./hash.ts";

/** Names exactly these tools as they are shown, so that nobody accepts others in their place. */
export function proposalDigest(shown: readonly ShownTool[]): string {
  return digestOf(shown.map(({ name, digest }) => [name, digest]));
}

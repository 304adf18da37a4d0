import type { Catalogue } from "../domain/tenant.ts";
import { github } from "./github.ts";
import { linear } from "./linear.ts";

const CATALOGUES: ReadonlyMap<string, Catalogue> = new Map([
  ["github", github],
  ["linear", linear],
]);

/** A catalogue that ships with Stint, by the name that a tenant's document uses. */
export function shippedCatalogue(name: string): Catalogue | undefined {
  return CATALOGUES.get(name);
}

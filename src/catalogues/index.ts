import type { Catalogue } from "../domain/tenant.ts";
import { github } from "./github.ts";

const CATALOGUES: ReadonlyMap<string, Catalogue> = new Map([["github", github]]);

/** A catalogue that ships with Stint, by the name that a tenant's document uses. */
export function shippedCatalogue(name: string): Catalogue | undefined {
  return CATALOGUES.get(name);
}

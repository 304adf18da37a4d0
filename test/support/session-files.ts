import { readdirSync } from "node:fs";
import type { World } from "../../demo/world.ts";

/** How many sessions a broker keeps a file for. */
export function sessionFiles({ broker }: World): number {
  const files = readdirSync(broker.dataPath, { recursive: true, encoding: "utf8" });
  return files.filter((file) => /Session\/[0-9a-f]+\.sqlite$/.test(file)).length;
}

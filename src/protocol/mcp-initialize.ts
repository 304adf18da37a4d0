import * as z from "zod/v4";
import type { Json } from "../domain/canonical-json.ts";

/** Whether this is a client's first request (2025-11-25, lifecycle), and says that it can show its human an address. */
export function saysItOpensAddresses(body: Json): boolean {
  return INITIALIZE.safeParse(body).success;
}

const INITIALIZE = z.object({
  method: z.literal("initialize"),
  params: z.object({
    // No revision before has elicitation by address.
    protocolVersion: z.literal("2025-11-25"),
    capabilities: z.object({ elicitation: z.object({ url: z.looseObject({}) }) }),
  }),
});

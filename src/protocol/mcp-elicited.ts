import * as z from "zod/v4";
import type { Json } from "../domain/canonical-json.ts";

/**
 * Whether this is what a client of 2025-11-25 answers to `elicitation/create` where its human did not
 * want to look, or could not be asked.
 */
export function saysNobodyLooks(body: Json): boolean {
  return NOBODY_LOOKS.safeParse(body).success;
}

const id = z.union([z.string(), z.int()]);
const NOBODY_LOOKS = z.union([
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    id,
    result: z.looseObject({ action: z.enum(["decline", "cancel"]) }),
  }),
  z.strictObject({ jsonrpc: z.literal("2.0"), id, error: z.looseObject({ code: z.int() }) }),
]);

import * as z from "zod/v4";
import { TRUST_LEVELS } from "../../domain/tenant.ts";
import { jwksSchema } from "../jwks.ts";

/** Where a client's keys are fetched from, at most once a minute. */
const jwksUri = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine(
    (text) => new URL(text).username === "" && new URL(text).hash === "",
    "must be a URL without user or fragment",
  )
  .describe("Where the keys are fetched from; instead of jwks");
export const keySource = { jwks: jwksSchema.optional(), jwks_uri: jwksUri.optional() };
export const dpopBound = z
  .boolean()
  .default(true)
  .describe("Whether tokens are always bound to a key (DPoP). With false, whoever holds such a token can use it");
export const trust = z.enum(TRUST_LEVELS);

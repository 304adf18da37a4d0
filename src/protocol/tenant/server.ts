import * as z from "zod/v4";
import { identifier } from "../authorization-details.ts";
import { encryptionKeySchema } from "../encryption-key.ts";
import { dpopBound, keySource, trust } from "./keys.ts";
import { cost, MAX_LIST, personId, resourceUri } from "./words.ts";

export const server = z.strictObject({
  id: identifier,
  resource: resourceUri,
  owner: personId,
  trust,
  ...keySource,
  dpop_bound_access_tokens_required: dpopBound,
  hand_out: z
    .array(identifier)
    .max(MAX_LIST)
    .default([])
    .describe("Upstreams whose own token this server may be handed: the proxy then no longer holds it to its grant"),
  encryption_key: encryptionKeySchema
    .optional()
    .describe("A public key (P-256, or RSA of 2048 to 4096 bits) to which what is handed out is encrypted"),
  definitions: z
    .enum(["pinned", "signed"])
    .default("pinned")
    .describe(
      "Who accepts what it says of its tools: its owner, each time (pinned), or a key of jwks by signed_metadata (signed)",
    ),
  tools: z.record(
    z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$/),
    z.strictObject({
      access: z.enum(["read", "write"]),
      operations: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9:._-]{1,100}$/, "must be upstream:operation"))
        .max(50),
      cost: cost.describe("Cost units of one call; 1 unless told"),
    }),
  ),
});

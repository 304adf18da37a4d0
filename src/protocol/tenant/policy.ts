import * as z from "zod/v4";
import { OWNER_WORD } from "../../domain/approvers.ts";
import { ASSURANCE_LEVELS } from "../../domain/tenant.ts";
import { identifier, limitsSchema } from "../authorization-details.ts";
import { trust } from "./keys.ts";
import { clientId, duration, MAX_LIST, personId } from "./words.ts";

/** `*` may stand for a location or a part of it, and for an operation's name, never for the upstream. */
const allowPattern = z
  .string()
  .max(300)
  .regex(
    /^(?:mcp:[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9_./*-]{1,128}|(?!mcp:)[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9:._*-]{1,100}(?:@[!-~]{1,200})?)$/,
    "must be upstream:operation@location or mcp:server:tool",
  );
const approvers = z
  .array(z.union([z.string().regex(/^group:[a-z0-9][a-z0-9._-]{0,63}$/), z.literal(OWNER_WORD), personId]))
  .min(1)
  .max(MAX_LIST)
  .describe("A person's id, group:NAME, or owner:upstream: whoever owns all that the request touches");
const assuranceLevel = z.enum(ASSURANCE_LEVELS);
const assuranceRule = z.strictObject({
  level: assuranceLevel,
  access: z.literal("write").optional().describe("Only where something may be written"),
  units: z
    .array(allowPattern)
    .min(1)
    .max(MAX_LIST)
    .optional()
    .describe(
      "Only where one of these is touched; * stands for any run of characters, / too, and case does not matter",
    ),
  longer_than: duration.optional().describe("Only where the session may last longer than this"),
});
const MAX_ASSURANCE_RULES = 50;
export const policy = z.strictObject({
  id: identifier,
  agents: z
    .array(z.union([clientId, z.string().regex(/^host:[a-z0-9.:-]{1,253}$/)]))
    .min(1)
    .max(MAX_LIST)
    .describe("client_id, or host:NAME for every client of a welcome metadata host"),
  trust: trust.optional().describe("Among these agents only those of this trust; all of them unless told"),
  allow: z.array(allowPattern).min(1).max(MAX_LIST),
  max_duration: duration,
  approvers,
  escalate: z
    .strictObject({ after: duration, to: approvers })
    .optional()
    .describe("Who is asked as well when nobody has decided after a time"),
  assurance: z
    .union([assuranceLevel, z.array(assuranceRule).min(1).max(MAX_ASSURANCE_RULES)])
    .default("passkey")
    .describe(
      "How well an approver must be known; link means that holding the link is enough. Of several rules, the highest level that fits counts",
    ),
  quorum: z.int().min(1).max(5).default(1).describe("How many approvers have to sign the same grant"),
  enter_match_code: z
    .boolean()
    .default(false)
    .describe("Whether an approver has to type the code that the agent shows; then no message or page tells it"),
  solo: z.boolean().default(false).describe("Whether an agent's own owner, or the person it works for, may approve it"),
  limits: limitsSchema
    .optional()
    .describe(
      "How much of each upstream and each remote server one session may use at most, and does where the request names no limit",
    ),
});

import * as z from "zod/v4";
import { secretReference } from "../secret-reference.ts";
import { baseUrl, emailAddress } from "./words.ts";

export const notify = z.strictObject({
  slack: z
    .strictObject({
      channel: z
        .string()
        .regex(/^[#A-Za-z0-9_-]{1,80}$/)
        .optional()
        .describe("Where a notice without any link goes"),
      token: secretReference,
      base_url: baseUrl.default("https://slack.com/api"),
      interactions: z
        .strictObject({
          signing_secret: secretReference.describe("What Slack signs with what is pressed in a message"),
          team_id: z
            .string()
            .regex(/^T[A-Z0-9]{2,20}$/)
            .describe("The only workspace whose presses count"),
        })
        .optional()
        .describe("Lets an approver deny in the message itself. Nothing is approved there"),
    })
    .optional(),
  email: z
    .strictObject({
      from: emailAddress,
      resend: z
        .strictObject({ api_key: secretReference, base_url: baseUrl.default("https://api.resend.com") })
        .optional(),
      smtp: z
        .strictObject({
          host: z.string().regex(/^[A-Za-z0-9.-]{1,253}$/),
          port: z.int().min(1).max(65_535),
          security: z.enum(["tls", "starttls", "none"]).default("starttls"),
          username: z.string().min(1).max(200).optional(),
          password: secretReference.optional(),
        })
        .optional(),
    })
    .refine(({ resend, smtp }) => (resend === undefined) !== (smtp === undefined), "needs either resend or smtp")
    .optional(),
  webhook: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .max(500)
        .refine((text) => new URL(text).username === "" && new URL(text).hash === "", "must have no user or fragment"),
      secret: secretReference.describe("Standard Webhooks: whsec_ and at least 24 bytes in base64"),
    })
    .optional(),
});

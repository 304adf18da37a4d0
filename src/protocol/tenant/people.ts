import * as z from "zod/v4";
import { SSO_AUTHENTICATION_METHODS } from "../../domain/tenant.ts";
import { moment } from "../absence.ts";
import { secretReference } from "../secret-reference.ts";
import { displayName, duration, emailAddress, groupName, personId } from "./words.ts";

const providerGroups = z.array(z.string().min(1).max(255)).min(1).max(50).optional();
export const singleSignOn = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(500),
  client_id: z.string().min(1).max(255),
  token_endpoint_auth_method: z.enum(SSO_AUTHENTICATION_METHODS).default("client_secret_basic"),
  client_secret: secretReference.optional(),
  scope: z
    .string()
    .max(500)
    .regex(/^openid(?: [!#-[\]-~]+)*$/, "must begin with openid")
    .default("openid"),
  max_age: duration
    .default("15m")
    .describe("How long ago an approver may have proved themselves to the provider when they decide"),
  acr_values: z
    .array(z.string().regex(/^[!-~]{1,255}$/))
    .max(10)
    .default([])
    .describe("What is asked of the provider; its answer has to be one of them"),
  groups_claim: z.string().min(1).max(100).default("groups"),
  roles: z
    .strictObject({ approver: providerGroups, admin: providerGroups, auditor: providerGroups })
    .default({})
    .describe("For a role, the provider's groups of which one is needed to hold it, besides the role in people"),
});

const away = z
  .strictObject({ from: moment, until: moment, delegate: personId })
  .describe("When this person is away, thirty days at most, and which approver may decide in their place meanwhile");

export const person = z.strictObject({
  id: personId,
  name: displayName,
  roles: z
    .array(z.enum(["approver", "admin", "auditor"]))
    .max(3)
    .default([]),
  groups: z.array(groupName).max(50).default([]),
  email: emailAddress.optional().describe("Where mail goes, when the id is not the address"),
  slack: z
    .string()
    .regex(/^[UW][A-Z0-9]{2,20}$/, "must be a Slack member id such as U012ABCDEF")
    .optional(),
  identities: z
    .array(z.strictObject({ issuer: z.url().max(500), subject: z.string().min(1).max(255) }))
    .max(10)
    .default([])
    .describe("Who this person is at the tenant's identity providers"),
  away: away.optional(),
});

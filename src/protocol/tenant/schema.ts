import * as z from "zod/v4";
import { agent, identityProvider, metadataHost } from "./agents.ts";
import { notify } from "./notify.ts";
import { person, singleSignOn } from "./people.ts";
import { policy } from "./policy.ts";
import { server } from "./server.ts";
import { upstream } from "./upstream.ts";
import { duration, issuer, list } from "./words.ts";

/** More would be waved through, or not read at all. */
const DEFAULT_OPEN_REQUESTS = 10;
const limits = z.strictObject({
  open_requests_per_approver: z
    .int()
    .min(1)
    .max(500)
    .default(DEFAULT_OPEN_REQUESTS)
    .describe("Requests that one person is asked to decide at once; the others wait until a place is free"),
});

const breakGlass = z.strictObject({
  max_duration: duration.default("1h").describe("How long a session may last that an admin began alone; 1h at most"),
  review_within: duration
    .default("3d")
    .describe("How long it may wait for a review before its admin can do no other; 7d at most"),
});

/** The tenant document. `npm run schema` publishes it as `schema/tenant.schema.json`. */
export const tenantDocumentSchema = z.strictObject({
  $schema: z.string().max(500).optional(),
  issuer: issuer.describe("The tenant's origin; one of the origins the broker serves"),
  agents: list(agent),
  client_metadata_hosts: list(metadataHost).describe(
    "Hosts whose clients need no registration: their client_id is the address of a metadata document",
  ),
  identity_providers: list(identityProvider).describe("Whose identity assertions (ID-JAG) are believed"),
  sso: singleSignOn.optional().describe("The identity provider that people sign in with, by OpenID Connect"),
  people: list(person),
  upstreams: list(upstream),
  servers: list(server),
  policies: list(policy),
  notify: notify.default({}),
  limits: limits.default({ open_requests_per_approver: DEFAULT_OPEN_REQUESTS }),
  break_glass: breakGlass
    .optional()
    .describe("Lets an admin decide a waiting request alone, loudly and reviewed afterwards; nobody can without it"),
});

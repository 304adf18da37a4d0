import * as z from "zod/v4";
import { identifier } from "../authorization-details.ts";
import { secretReference } from "../secret-reference.ts";
import { catalogue } from "./catalogue.ts";
import {
  apiKeyShape,
  awsShape,
  clientCredentialsShape,
  googleOAuthShape,
  googleServiceAccountShape,
  jwtBearerShape,
  jwtShape,
  linkedAccountShape,
  oauth2Shape,
  refreshTokenShape,
  slackShape,
  tokenExchangeShape,
} from "./upstream-shapes.ts";
import { baseUrl, MAX_LIST, personId } from "./words.ts";

const upstreamBase = {
  id: identifier.refine((id) => id !== "mcp", "is a reserved word"),
  base_url: baseUrl,
  owner: personId.optional().describe("Who answers for what it holds; named by owner:upstream in a policy"),
  catalogue: z.union([identifier, catalogue]),
  operations: z
    .array(z.string().max(100))
    .min(1)
    .max(MAX_LIST)
    .optional()
    .describe("Of the catalogue, these operations alone; all of them unless told"),
};
export const upstream = z.discriminatedUnion("connector", [
  z.strictObject({
    ...upstreamBase,
    connector: z.literal("github_app"),
    app_id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    installation_id: z.string().regex(/^[0-9]{1,20}$/),
    private_key: secretReference,
  }),
  z.strictObject({ ...upstreamBase, ...apiKeyShape }),
  z.strictObject({ ...upstreamBase, ...slackShape }),
  z.strictObject({ ...upstreamBase, ...jwtShape }),
  z.discriminatedUnion("grant_type", [
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...clientCredentialsShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...refreshTokenShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...linkedAccountShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...jwtBearerShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...tokenExchangeShape }),
  ]),
  z.strictObject({ ...upstreamBase, ...googleOAuthShape }),
  z.strictObject({ ...upstreamBase, ...googleServiceAccountShape }),
  z.strictObject({ ...upstreamBase, ...awsShape }),
]);

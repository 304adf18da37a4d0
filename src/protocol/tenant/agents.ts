import * as z from "zod/v4";
import { isRedirectUri } from "../../domain/redirect-uri.ts";
import { CLIENT_AUTHENTICATION_METHODS } from "../../domain/tenant.ts";
import { dpopBound, keySource, trust } from "./keys.ts";
import { clientId, displayName, personId } from "./words.ts";

const agentTrust = trust
  .default("local")
  .describe("Where it runs: local, on a person's machine, as behind stint mcp and stint run; or remote, as a service");

export const agent = z.strictObject({
  client_id: clientId,
  name: displayName,
  owner: personId,
  ...keySource,
  token_endpoint_auth_method: z.enum(CLIENT_AUTHENTICATION_METHODS).default("private_key_jwt"),
  redirect_uris: z
    .array(z.string().max(500).refine(isRedirectUri, "must be https, or http on loopback, without fragment or user"))
    .max(20)
    .default([])
    .describe("Where a browser may return to; a loopback address with any port"),
  dpop_bound_access_tokens: dpopBound,
  trust: agentTrust,
});

export const metadataHost = z.strictObject({
  host: z
    .string()
    .max(253)
    .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/, "must be a host name such as vscode.dev"),
  owner: personId,
  dpop_bound_access_tokens: dpopBound,
  trust: agentTrust,
});

export const identityProvider = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(500),
  ...keySource,
});

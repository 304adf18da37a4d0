import * as z from "zod/v4";
import { digestOf } from "../crypto/hash.ts";
import { cleanAgentText, TITLE_LIMITS } from "../domain/agent-text.ts";
import { isJsonObject, type Json } from "../domain/canonical-json.ts";
import { isLoopback, isRedirectUri } from "../domain/redirect-uri.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { CLIENT_AUTHENTICATION_METHODS, type ClientAuthentication, type PublicJwks } from "../domain/tenant.ts";
import { jwksSchema } from "./jwks.ts";

/** A Client ID Metadata Document is no larger, draft-ietf-oauth-client-id-metadata-document §6.6. */
export const MAX_METADATA_BYTES = 5 * 1024;
const MAX_REDIRECT_URIS = 20;

/** What a metadata document says of its client, as far as Stint believes it. */
export interface ClientMetadata {
  readonly name: string;
  readonly redirect_uris: readonly string[];
  readonly authentication: ClientAuthentication;
  readonly jwks?: PublicJwks | undefined;
  readonly jwks_uri?: string | undefined;
  /** SHA-256 of the above in canonical form. */
  readonly digest: string;
}

/** Logos and other addresses are not in here: nothing of a stranger's is fetched for, or shown on, our pages. */
const metadataSchema = z.looseObject({
  client_id: z.string(),
  client_name: z.string().min(1).max(1000),
  redirect_uris: z.array(z.string().max(500)).min(1).max(MAX_REDIRECT_URIS),
  token_endpoint_auth_method: z.enum(CLIENT_AUTHENTICATION_METHODS).default("none"),
  jwks: jwksSchema.optional(),
  jwks_uri: z
    .url({ protocol: /^https$/ })
    .max(500)
    .optional(),
  backchannel_client_notification_endpoint: z.string().optional(),
});

export type MetadataFault =
  | "malformed"
  | "client_id_differs"
  | "shared_secret"
  | "redirect_uri_not_allowed"
  | "keys_missing"
  | "notification_endpoint_elsewhere";

/**
 * Reads a Client ID Metadata Document: what may come from anybody's web server.
 *
 * @param clientId the address it was fetched from, which it must name letter for letter
 */
export function readClientMetadata(document: Json, clientId: string): Result<ClientMetadata, MetadataFault> {
  if (!isJsonObject(document)) return err("malformed");
  if (Object.keys(document).some((name) => name.startsWith("client_secret"))) return err("shared_secret");
  const parsed = metadataSchema.safeParse(document);
  if (!parsed.success) return err("malformed");
  const { client_id, client_name, redirect_uris, token_endpoint_auth_method, jwks, jwks_uri } = parsed.data;
  if (client_id !== clientId) return err("client_id_differs");
  const { host } = new URL(clientId);
  if (!redirect_uris.every((uri) => isRedirectUri(uri) && (isLoopback(uri) || new URL(uri).host === host)))
    return err("redirect_uri_not_allowed");
  if (token_endpoint_auth_method === "private_key_jwt" && (jwks === undefined) === (jwks_uri === undefined))
    return err("keys_missing");
  const notified = parsed.data.backchannel_client_notification_endpoint;
  if (notified !== undefined && !(URL.canParse(notified) && new URL(notified).host === host))
    return err("notification_endpoint_elsewhere");
  const name = cleanAgentText(client_name, TITLE_LIMITS);
  const said = { name, redirect_uris, authentication: token_endpoint_auth_method, jwks, jwks_uri };
  return ok({ ...said, digest: digestOf(said) });
}

import { findClient, type Client } from "../clients.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseForm, type Form } from "../protocol/body.ts";
import type { OneTimeClaim } from "../protocol/client-assertion.ts";
import { invalidRequest, type WireError } from "../protocol/wire-error.ts";
import { judgeAuthorization, type AuthorizationFault, type JudgedAuthorization } from "./authorization.ts";
import { clientError } from "./client.ts";
import type { Handling } from "./http.ts";
import { agentObject } from "./objects.ts";
import { REQUEST_URI_PREFIX } from "./par.ts";

/** A request that a browser brought, and whatever it uses up when it begins. */
export interface BroughtRequest {
  readonly client: Client;
  readonly judged: JudgedAuthorization;
  /** As it stands in the address, to be brought again. */
  readonly query: string;
  readonly oneTime: readonly OneTimeClaim[];
}

/** Reads the query of an authorization request, and judges it. */
export async function readQuery(c: Handling, query: string): Promise<Result<BroughtRequest, AuthorizationFault>> {
  const parsed = parseForm(query);
  if (!parsed.ok) return err({ error: parsed.error });
  const clientId = parsed.value.get("client_id");
  if (clientId === undefined) return err({ error: invalidRequest("client_id is missing") });
  const client = await findClient(c.env, c.var.tenant, clientId);
  if (!client.ok) return err({ error: client.error === "unknown" ? UNKNOWN_CLIENT : clientError(client.error) });
  const pushed = await readPushed(c, client.value, parsed.value);
  if (!pushed.ok) return pushed;
  const judged = judgeAuthorization(c, client.value, pushed.value.parameters);
  return judged.ok ? ok({ client: client.value, judged: judged.value, query, oneTime: pushed.value.oneTime }) : judged;
}

/** RFC 9126 §4: what was pushed stands for the whole request; what comes beside it is not looked at. */
async function readPushed(
  c: Handling,
  client: Client,
  parameters: Form,
): Promise<Result<{ parameters: Form; oneTime: readonly OneTimeClaim[] }, AuthorizationFault>> {
  const requestUri = parameters.get("request_uri");
  if (requestUri === undefined) return ok({ parameters, oneTime: [] });
  if (!requestUri.startsWith(REQUEST_URI_PREFIX)) return err({ error: REQUEST_URI_NOT_SUPPORTED });
  const id = requestUri.slice(REQUEST_URI_PREFIX.length);
  const pushed = await agentObject(c.env, c.var.tenant.issuer, client.id).pushed(id);
  if (pushed === undefined) return err({ error: INVALID_REQUEST_URI });
  return ok({
    parameters: new Map(JSON.parse(pushed.parameters) as [string, string][]),
    oneTime: [{ key: `pushed:${id}`, rememberUntil: pushed.until }],
  });
}

const UNKNOWN_CLIENT: WireError = {
  status: 400,
  error: "invalid_client",
  description: "The client is neither registered here nor known by a metadata document that could be read.",
};
const REQUEST_URI_NOT_SUPPORTED: WireError = {
  status: 400,
  error: "request_uri_not_supported",
  description: "A request_uri is one that this server gave out at /oauth/par; others are never fetched.",
};
const INVALID_REQUEST_URI: WireError = {
  status: 400,
  error: "invalid_request_uri",
  description: "The request_uri is unknown, used, expired, or another client's.",
};

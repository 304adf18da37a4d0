import { findClient, keysOf, type Client, type ClientFault } from "../clients.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { claimedClient, INVALID_CLIENT, verifyAssertion, type OneTimeClaim } from "../protocol/client-assertion.ts";
import type { PresentedAssertion } from "../protocol/presented-assertion.ts";
import { invalidRequest, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { agentObject } from "./objects.ts";

/** A client that has proved who it is, or that has nothing to prove it with. */
export interface AuthenticatedClient {
  readonly client: Client;
  readonly kind: "agent" | "server";
  readonly id: string;
  readonly keys: readonly PublicJwk[];
  /** Its assertion, for the object that owns the client's; none for a public client. */
  readonly oneTime: readonly OneTimeClaim[];
}

/** The client that an endpoint's form or body names, in one way alone (RFC 6749 §2.3); its assertion is verified but not yet used up. */
export async function identifyClient(
  c: Handling,
  presented: PresentedAssertion,
): Promise<Result<AuthenticatedClient, WireError>> {
  if (c.req.header("authorization") !== undefined) {
    return err(
      invalidRequest("authenticate with a client assertion in the body, and send no Authorization header here"),
    );
  }
  if (presented.client_secret !== undefined && presented.client_assertion !== undefined)
    return err(invalidRequest("authenticate with a client assertion alone, and not with a secret besides"));
  const context = c.var.tenant;
  const found = await findClient(c.env, context, claimedClient(presented) ?? "");
  const client = found.ok && found.value.authentication === "private_key_jwt" ? found.value : undefined;
  // A stranger's assertion is verified too, against a key that cannot fit: the time taken tells nothing.
  const keys =
    client === undefined
      ? ok([context.keys[0]!.publicJwk])
      : await keysOf(c.env, context, client.keySource, client.document === undefined);
  const fault = found.ok ? (keys.ok ? undefined : keys.error) : found.error;
  if (fault === "too_many" || !keys.ok) return err(clientError("too_many"));
  const holder = { id: client?.id ?? "", keys: keys.value };
  const verified = await verifyAssertion(presented, holder, context.issuer, nowSeconds());
  if (client === undefined || !verified.ok) return err(INVALID_CLIENT);
  const { kind, id } = client;
  return ok({ client, kind, id, keys: keys.value, oneTime: [verified.value] });
}

/** As {@link identifyClient}, where a public client may come that names itself by `client_id` alone. */
export async function identifyAnyClient(c: Handling, form: Form): Promise<Result<AuthenticatedClient, WireError>> {
  const presented = assertionOf(form);
  const isPublic = presented.client_assertion === undefined && presented.client_assertion_type === undefined;
  if (!isPublic || presented.client_id === undefined || c.req.header("authorization") !== undefined)
    return identifyClient(c, presented);
  if (form.has("client_secret")) return err(INVALID_CLIENT);
  const found = await findClient(c.env, c.var.tenant, presented.client_id);
  if (!found.ok) return err(clientError(found.error));
  if (found.value.authentication !== "none") return err(INVALID_CLIENT);
  const { kind, id } = found.value;
  return ok({ client: found.value, kind, id, keys: [], oneTime: [] });
}

export function clientError(fault: ClientFault): WireError {
  switch (fault) {
    case "unknown":
      return INVALID_CLIENT;
    case "too_many":
      return {
        status: 429,
        error: "temporarily_unavailable",
        description: "too many documents of unregistered clients were asked for; try again in a minute",
        headers: { "retry-after": "60" },
      };
  }
}

/**
 * Uses up the assertion: another request with the same one is refused. Done after everything that a
 * client may have to repeat, such as a proof with a fresh nonce.
 */
export async function useAssertion(
  c: Handling,
  { id, oneTime }: AuthenticatedClient,
  more: readonly OneTimeClaim[] = [],
): Promise<Result<void, WireError>> {
  const all = [...oneTime, ...more];
  if (all.length === 0) return ok(undefined);
  const { issuer } = c.var.tenant;
  const used = await agentObject(c.env, issuer, id).consume({ issuer, client_id: id }, all);
  if (used.ok) return ok(undefined);
  return err(used.error === "overloaded" ? UNAVAILABLE : INVALID_CLIENT);
}

/** The client of a form that comes without a proof. */
export async function authenticateForm(c: Handling, form: Form): Promise<Result<AuthenticatedClient, WireError>> {
  const client = await identifyClient(c, assertionOf(form));
  if (!client.ok) return client;
  const used = await useAssertion(c, client.value);
  return used.ok ? client : used;
}

/** What RFC 7662 and RFC 7009 take alike: a token, from a client that says who it is. */
export async function readTokenForm(
  c: Handling,
  identify: (c: Handling, form: Form) => Promise<Result<AuthenticatedClient, WireError>>,
): Promise<Result<{ client: AuthenticatedClient; token: string }, WireError>> {
  const form = await readForm(c.req.raw);
  if (!form.ok) return form;
  const client = await identify(c, form.value);
  if (!client.ok) return client;
  const used = await useAssertion(c, client.value);
  if (!used.ok) return used;
  const token = form.value.get("token");
  return token === undefined ? err(invalidRequest("token is missing")) : ok({ client: client.value, token });
}

export function assertionOf(form: Form): PresentedAssertion {
  return {
    client_id: form.get("client_id"),
    client_assertion_type: form.get("client_assertion_type"),
    client_assertion: form.get("client_assertion"),
    client_secret: form.get("client_secret"),
  };
}

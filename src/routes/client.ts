import { err, ok, type Result } from "../domain/result.ts";
import { readForm, type Form } from "../protocol/body.ts";
import { authenticateClient, INVALID_CLIENT, type AuthenticatedClient } from "../protocol/client-assertion.ts";
import type { PresentedAssertion } from "../protocol/presented-assertion.ts";
import { invalidRequest, UNAVAILABLE, type WireError } from "../protocol/wire-error.ts";
import { nowSeconds, type Handling } from "./http.ts";
import { agentObject } from "./objects.ts";

/** The client that an endpoint's form or body names; its assertion is verified but not yet used up. */
export async function identifyClient(
  c: Handling,
  presented: PresentedAssertion,
): Promise<Result<AuthenticatedClient, WireError>> {
  if (c.req.header("authorization") !== undefined) {
    return err(
      invalidRequest("authenticate with a client assertion in the body, and send no Authorization header here"),
    );
  }
  return authenticateClient(presented, c.var.tenant, nowSeconds());
}

/**
 * Uses up the assertion: another request with the same one is refused. Done after everything that a
 * client may have to repeat, such as a proof with a fresh nonce.
 */
export async function useAssertion(c: Handling, client: AuthenticatedClient): Promise<Result<void, WireError>> {
  const { issuer } = c.var.tenant;
  const used = await agentObject(c.env, issuer, client.id).consume({ issuer, client_id: client.id }, [client.oneTime]);
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

/** What RFC 7662 and RFC 7009 take alike: a token, from a client that authenticates. */
export async function readTokenForm(
  c: Handling,
): Promise<Result<{ client: AuthenticatedClient; token: string }, WireError>> {
  const form = await readForm(c.req.raw);
  if (!form.ok) return form;
  const client = await authenticateForm(c, form.value);
  if (!client.ok) return client;
  const token = form.value.get("token");
  return token === undefined ? err(invalidRequest("token is missing")) : ok({ client: client.value, token });
}

export function assertionOf(form: Form): PresentedAssertion {
  return {
    client_id: form.get("client_id"),
    client_assertion_type: form.get("client_assertion_type"),
    client_assertion: form.get("client_assertion"),
  };
}

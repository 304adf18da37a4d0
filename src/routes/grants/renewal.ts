import type { Form } from "../../protocol/body.ts";
import { GRANT_TYPES } from "../../protocol/metadata.ts";
import { renderError, type WireError } from "../../protocol/wire-error.ts";
import { assertionOf, authenticateForm } from "../client.ts";
import type { Handling } from "../http.ts";
import { refuseClient, refuseHolder } from "../token-answer.ts";

export const UNSUPPORTED_GRANT: WireError = {
  status: 400,
  error: "unsupported_grant_type",
  description: `only ${Object.values(GRANT_TYPES).join(", ")} are offered; a session is never renewed: open a new one, which a human must approve`,
};

/** An agent that tries to renew is refused by name, and it is written down who it was if that can be known. */
export async function refuseRenewal(c: Handling, form: Form): Promise<Response> {
  const held = form.get("refresh_token");
  if (held !== undefined || assertionOf(form).client_assertion === undefined) {
    return refuseHolder(c, held, "refresh_token_grant", UNSUPPORTED_GRANT);
  }
  const client = await authenticateForm(c, form);
  return client.ok
    ? refuseClient(c, client.value, "refresh_token_grant", UNSUPPORTED_GRANT)
    : renderError(UNSUPPORTED_GRANT);
}

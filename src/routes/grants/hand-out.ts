import type { HandOutCommand } from "../../durable/session-commands.ts";
import { UPSTREAM_TOKEN_TYPE } from "../../protocol/token-exchange.ts";
import { NO_STORE, renderError, type WireError } from "../../protocol/wire-error.ts";
import type { Handling } from "../http.ts";
import { sessionObject } from "../objects.ts";
import { freshNonce } from "../proof.ts";
import { mintError } from "./exchange-errors.ts";

/** RFC 6749 §5.2. An agent never holds an upstream's credential. */
export const ONLY_SERVERS: WireError = {
  status: 400,
  error: "unauthorized_client",
  description: "an upstream's own token is handed to registered servers alone; call the upstream through the proxy",
};

/**
 * An upstream's own token, encrypted to the server that asks. It is no access token of ours and is used
 * in the upstream's way, not in OAuth's: `token_type` is `N_A`, RFC 8693 §2.2.1.
 */
export async function handOut(
  c: Handling,
  sessionId: string,
  command: HandOutCommand,
  byScope: boolean,
): Promise<Response> {
  const handed = await sessionObject(c.env, c.var.tenant.issuer, sessionId).handOut(command);
  if (!handed.ok) return renderError(mintError(handed.error, byScope, c));
  const { token, expires_in, authorization_details } = handed.value;
  const body = {
    access_token: token,
    issued_token_type: UPSTREAM_TOKEN_TYPE,
    token_type: "N_A",
    ...(expires_in === undefined ? {} : { expires_in }),
    authorization_details,
  };
  return c.json(body, 200, { ...NO_STORE, "dpop-nonce": freshNonce(c, "as") });
}

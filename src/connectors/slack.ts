import * as z from "zod/v4";
import { err, ok } from "../domain/result.ts";
import type { SlackUpstream } from "../domain/upstream.ts";
import type { Connector, ConnectorFault } from "./connector.ts";
import { operationsOf, scopesOf } from "./scopes.ts";
import type { Outbound, TextResponse } from "./outbound.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;

const answer = z.object({ ok: z.boolean(), error: z.string().optional() });

/**
 * A Slack workspace, by the one token of its bot. Slack cannot narrow a bot's token for a session, and
 * `auth.revoke` takes it from every session, so the proxy alone narrows, and the token stays unless it
 * is configured to go with the first session that ends.
 * Before a session may use it, Slack is asked whether it is alive and which scopes it holds.
 */
export const slack: Connector<SlackUpstream> = {
  async mint({ upstream, catalogue, access, readSecret, outbound }) {
    const name = upstream.token.secret;
    const token = await readSecret(name);
    if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) return err({ kind: "misconfigured", missing: name });
    const answer = await call(`${upstream.base_url}/auth.test`, token, outbound);
    // Asking made nothing, so there is nothing that could have been lost.
    if (!answer.ok) return err({ kind: "upstream_unavailable" });
    const fault = refusal(answer.value);
    if (fault !== undefined) return err(fault);
    return ok({
      credential: { kind: "header", header: "authorization", value: `Bearer ${token}` },
      handle: upstream.revoke_at_end ? token : "",
      ends: upstream.revoke_at_end ? "revocable" : "irrevocable",
      expiresAt: undefined,
      scopes: scopesIn(answer.value.headers) ?? scopesOf(operationsOf(access, catalogue)),
    });
  },

  async revoke({ upstream, handle, outbound }) {
    const answer = await call(`${upstream.base_url}/auth.revoke`, handle, outbound);
    if (!answer.ok) return err({ kind: "upstream_unavailable" });
    const fault = refusal(answer.value);
    return fault === undefined || isDead(answer.value) ? ok("revoked") : err(fault);
  },

  narrowing: () => "proxy",

  describe: ({ revoke_at_end }) => ({
    credential: "shared",
    orphans: "none",
    ends: revoke_at_end ? "revocable" : "irrevocable",
  }),
};

function call(url: string, token: string, outbound: Outbound) {
  return outbound.text({
    url,
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/x-www-form-urlencoded" },
    body: "",
    deadlineMs: DEADLINE_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
}

/** Slack says no with 200 and `ok: false`. */
function refusal({ status, text }: TextResponse): ConnectorFault | undefined {
  const said = parse(text);
  if (status === 429 || status >= 500 || said === undefined) return { kind: "upstream_unavailable" };
  return said.ok ? undefined : { kind: "upstream_refused", status };
}

/** A token that Slack no longer knows is revoked already, which is all that is wanted. */
function isDead({ text }: TextResponse): boolean {
  return ["token_revoked", "token_expired", "invalid_auth"].includes(parse(text)?.error ?? "");
}

function parse(text: string): z.infer<typeof answer> | undefined {
  try {
    return answer.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The token's own scopes, which Slack names with every answer. */
function scopesIn(headers: Headers): string[] | undefined {
  return headers
    .get("x-oauth-scopes")
    ?.split(/[, ]+/)
    .filter((scope) => scope !== "");
}

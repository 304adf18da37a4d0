import { z } from "zod";
import { err, ok } from "../domain/result.ts";
import type { SlackUpstream } from "../domain/upstream.ts";
import type { Connector, ConnectorFault } from "./connector.ts";
import { operationsOf, scopesOf } from "./scopes.ts";
import type { TextResponse } from "./outbound.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;

const authTest = z.object({ ok: z.boolean(), error: z.string().optional() });

/**
 * A Slack workspace, by the one token of its bot. Slack cannot narrow a bot's token for a session, and
 * `auth.revoke` would take it from every session, so the proxy alone narrows and nothing is taken back.
 * Before a session may use it, Slack is asked whether it is alive and which scopes it holds.
 */
export const slack: Connector<SlackUpstream> = {
  async mint({ upstream, catalogue, access, readSecret, outbound }) {
    const name = upstream.token.secret;
    const token = await readSecret(name);
    if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) return err({ kind: "misconfigured", missing: name });
    const value = `Bearer ${token}`;
    const answer = await outbound.text({
      url: `${upstream.base_url}/auth.test`,
      method: "POST",
      headers: { authorization: value, "content-type": "application/x-www-form-urlencoded" },
      body: "",
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
    // Asking made nothing, so there is nothing that could have been lost.
    if (!answer.ok) return err({ kind: "upstream_unavailable" });
    const fault = refusal(answer.value);
    if (fault !== undefined) return err(fault);
    return ok({
      credential: { kind: "header", header: "authorization", value },
      handle: "",
      ends: "irrevocable",
      expiresAt: undefined,
      scopes: scopesIn(answer.value.headers) ?? scopesOf(operationsOf(access, catalogue)),
    });
  },

  async revoke() {
    return ok("revoked");
  },

  narrowing: () => "proxy",

  describe: () => ({ credential: "shared", ends: "irrevocable" }),
};

/** Slack says no with 200 and `ok: false`. */
function refusal({ status, text }: TextResponse): ConnectorFault | undefined {
  if (status === 429 || status >= 500) return { kind: "upstream_unavailable" };
  let answer: z.infer<typeof authTest> | undefined;
  try {
    answer = authTest.safeParse(JSON.parse(text)).data;
  } catch {
    return { kind: "upstream_unavailable" };
  }
  if (answer === undefined) return { kind: "upstream_unavailable" };
  return answer.ok ? undefined : { kind: "upstream_refused", status };
}

/** The token's own scopes, which Slack names with every answer. */
function scopesIn(headers: Headers): string[] | undefined {
  return headers
    .get("x-oauth-scopes")
    ?.split(/[, ]+/)
    .filter((scope) => scope !== "");
}

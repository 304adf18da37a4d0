import type { Credential } from "../domain/credential.ts";
import { err, ok } from "../domain/result.ts";
import type { ApiKeyUpstream } from "../domain/upstream.ts";
import type { Connector } from "./connector.ts";

/** An upstream that knows only a static key. The key never leaves; the proxy alone narrows what is done with it. */
export const apiKey: Connector<ApiKeyUpstream> = {
  async mint({ upstream, readSecret }) {
    const name = upstream.api_key.secret;
    const key = await readSecret(name);
    if (key === undefined || !isHeaderValue(key)) return err({ kind: "misconfigured", missing: name });
    return ok({
      credential: credentialOf(upstream, key),
      handle: "",
      ends: "irrevocable",
      expiresAt: undefined,
    });
  },

  async revoke() {
    return ok("revoked");
  },

  narrowing: () => "proxy",

  describe: () => ({ credential: "shared", orphans: "none", ends: "irrevocable" }),
};

function credentialOf({ header, scheme, query }: ApiKeyUpstream, key: string): Credential {
  if (query !== undefined) return { kind: "query", parameter: query, value: key };
  return { kind: "header", header, value: scheme === "" ? key : `${scheme} ${key}` };
}

function isHeaderValue(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

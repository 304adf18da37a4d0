import { err, ok } from "../domain/result.ts";
import type { ApiKeyUpstream } from "../domain/tenant.ts";
import type { Connector } from "./connector.ts";

/** An upstream that knows only a static key. The key never leaves; the proxy alone narrows what is done with it. */
export const apiKey: Connector<ApiKeyUpstream> = {
  async mint({ upstream, readSecret }) {
    const name = upstream.api_key.secret;
    const key = await readSecret(name);
    if (key === undefined || !isHeaderValue(key)) return err({ kind: "misconfigured", missing: name });
    const value = upstream.scheme === "" ? key : `${upstream.scheme} ${key}`;
    return ok({
      credential: { header: upstream.header, value },
      handle: "",
      ends: "irrevocable",
      expiresAt: undefined,
    });
  },

  async revoke() {
    return ok("revoked");
  },
};

function isHeaderValue(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

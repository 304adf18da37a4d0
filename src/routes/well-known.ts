import { Hono } from "hono";
import { isBelieved, PRIVATE_USES } from "../crypto/signing-key.ts";
import { RESOURCE_METADATA_PATH, resourceMetadata, serverMetadata } from "../protocol/metadata.ts";
import { renderError } from "../protocol/wire-error.ts";
import { nowSeconds, type App } from "./http.ts";

/** How long others may keep the keys and the metadata, in seconds. `KEY_LIVES` counts on it. */
const PUBLIC_CACHE = { "cache-control": "public, max-age=300", "access-control-allow-origin": "*" };

/** What anyone may read, from any page: metadata and public keys. */
export const wellKnown = new Hono<App>()
  .get("/.well-known/oauth-authorization-server", (c) => c.json(serverMetadata(c.var.tenant.issuer), 200, PUBLIC_CACHE))
  .get("/.well-known/openid-configuration", (c) => c.json(serverMetadata(c.var.tenant.issuer), 200, PUBLIC_CACHE))
  .get(`${RESOURCE_METADATA_PATH}/*`, (c) => {
    const metadata = resourceMetadata(c.var.tenant.tenant, c.req.path.slice(RESOURCE_METADATA_PATH.length));
    if (metadata === undefined)
      return renderError({ status: 404, error: "not_found", description: "there is no such protected resource here" });
    return c.json(metadata, 200, PUBLIC_CACHE);
  })
  .get("/oauth/jwks", (c) => {
    const keys = c.var.tenant.keys.filter((key) => !PRIVATE_USES.includes(key.use) && isBelieved(key, nowSeconds()));
    return c.json({ keys: keys.map((key) => key.publicJwk) }, 200, PUBLIC_CACHE);
  });

import { Hono } from "hono";
import { serverMetadata } from "../protocol/metadata.ts";
import type { App } from "./http.ts";

/** How long others may keep the keys and the metadata, in seconds. */
const PUBLIC_CACHE = { "cache-control": "public, max-age=300" };

/** What anyone may read: metadata, public keys, and whether the broker is there. */
export const wellKnown = new Hono<App>()
  .get("/.well-known/oauth-authorization-server", (c) => c.json(serverMetadata(c.var.tenant.issuer), 200, PUBLIC_CACHE))
  .get("/.well-known/openid-configuration", (c) => c.json(serverMetadata(c.var.tenant.issuer), 200, PUBLIC_CACHE))
  .get("/oauth/jwks", (c) => {
    // Approval links are for Stint alone to verify; their key is nobody else's business.
    const keys = c.var.tenant.keys.filter((key) => key.use !== "approval_link").map((key) => key.publicJwk);
    return c.json({ keys }, 200, PUBLIC_CACHE);
  });

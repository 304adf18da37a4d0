import type { Context } from "hono";
import type { TenantContext } from "../tenancy.ts";

/** What every handler finds in its context. */
export interface App {
  Bindings: Env;
  Variables: {
    /** The tenant whose issuer the request addressed. */
    tenant: TenantContext;
  };
}

export type Handling = Context<App>;

/** Epoch seconds. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

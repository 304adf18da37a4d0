import type { MiddlewareHandler } from "hono";
import type { Access } from "./access.ts";
import type { Guard } from "./guard.ts";

export interface GuardedVariables {
  readonly Variables: { access: Access };
}

/** Hono middleware that answers who this resource's authorization server is (RFC 9728). */
export function metadataOf(guard: Guard): MiddlewareHandler {
  return async (c, next) => guard.metadata(c.req.raw) ?? next();
}

/** Hono middleware for one route: lets in who was granted these tools; `c.var.access` says who. */
export function guarded(guard: Guard, ...tools: readonly string[]): MiddlewareHandler<GuardedVariables> {
  return async (c, next) => {
    const access = await guard.authorize(c.req.raw, tools);
    if (access instanceof Response) return access;
    c.set("access", access);
    await next();
  };
}

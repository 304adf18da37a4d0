import type { Next } from "hono";
import { hasQuery } from "../protocol/body.ts";
import { invalidRequest, renderError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";

/** For addresses that take nothing in their query: a token or an assertion there would stand in every log. */
export async function noQuery(c: Handling, next: Next): Promise<Response | undefined> {
  if (hasQuery(c.req.raw)) return renderError(NO_QUERY);
  await next();
  return undefined;
}

const NO_QUERY = invalidRequest(
  "this address takes nothing in its query: a token comes in the Authorization header, all else in the body",
);

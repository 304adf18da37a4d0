import { Hono } from "hono";
import { APPROVE_SCRIPT, STYLESHEET } from "../pages/assets.ts";
import type { App } from "./http.ts";

const CACHE = { "cache-control": "public, max-age=300" };

/** The one script and the one style sheet that the pages use. */
export const assets = new Hono<App>()
  .get("/assets/approve.js", (c) =>
    c.body(APPROVE_SCRIPT, 200, { ...CACHE, "content-type": "text/javascript; charset=utf-8" }),
  )
  .get("/assets/stint.css", (c) => c.body(STYLESHEET, 200, { ...CACHE, "content-type": "text/css; charset=utf-8" }));

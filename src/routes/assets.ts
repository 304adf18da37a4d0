import { Hono } from "hono";
import { PAGE_SCRIPT } from "../pages/page-script.ts";
import { STYLESHEET } from "../pages/stylesheet.ts";
import type { App } from "./http.ts";

const CACHE = { "cache-control": "public, max-age=300" };

/** The one script and the one style sheet that the pages use. */
export const assets = new Hono<App>()
  .get("/assets/approve.js", (c) =>
    c.body(PAGE_SCRIPT, 200, { ...CACHE, "content-type": "text/javascript; charset=utf-8" }),
  )
  .get("/assets/stint.css", (c) => c.body(STYLESHEET, 200, { ...CACHE, "content-type": "text/css; charset=utf-8" }));

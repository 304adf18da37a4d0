import { expect, it } from "vitest";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { workerdConfig } from "./workerd-config.ts";

const ROOT = join(import.meta.dirname, "..");
const written = (allowPrivateNetwork: boolean): string =>
  workerdConfig(ROOT, {
    bundle: "/x/index.js",
    dataPath: "/x",
    host: "127.0.0.1",
    port: 1,
    allowPrivateNetwork,
    extraAuthorities: [],
    vars: {},
    secrets: [],
  });

it("F09 M17 M18 lets the runtime connect to no private address, whatever a name meant when it was judged", () => {
  // workerd judges the address that it connects to, so a name that means another one by then gains nothing.
  expect(written(false)).toContain('network = (allow = ["public"], ');
  expect(written(true)).toContain('network = (allow = ["public", "private"], ');
  expect(written(false)).toContain('globalOutbound = "internet"');
  // Cloudflare's network does the same, and takes no short cut to other Workers of the zone.
  expect(readFileSync(join(ROOT, "wrangler.toml"), "utf8")).toContain('"global_fetch_strictly_public"');
});

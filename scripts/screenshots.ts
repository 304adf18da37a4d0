import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./build.ts";

/** The pictures that the README shows. */
const SHOWN = ["view-phone-light", "view-phone-dark", "review-desktop-light", "review-desktop-dark"];

/** Takes pictures of every page in every state, and puts those that the README shows into docs/images. */
const pictures = mkdtempSync(join(tmpdir(), "stint-pictures-"));
const { status } = spawnSync(
  join(ROOT, "node_modules", ".bin", "vitest"),
  ["run", "--project", "http", join("test", "page-states.test.ts")],
  { cwd: ROOT, stdio: "inherit", env: { ...process.env, STINT_SCREENSHOTS: pictures } },
);
if (status === 0) {
  mkdirSync(join(ROOT, "docs", "images"), { recursive: true });
  for (const name of SHOWN) copyFileSync(join(pictures, `${name}.png`), join(ROOT, "docs", "images", `${name}.png`));
  process.stdout.write(`All of them are in ${pictures}; the README's are in docs/images.\n`);
}
process.exitCode = status ?? 1;

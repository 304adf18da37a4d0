import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where `npm run screenshots` wants the pictures for the README; nothing is written otherwise. */
const PICTURES = process.env["STINT_SCREENSHOTS"];
export const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1100, height: 900 };
/** The narrowest there is, which is also a desk at four times its size (WCAG 2.2, 1.4.10). */
const NARROW = { width: 320, height: 640 };

/** Looks at the page as it is: on a phone and a desk, by day and by night, for what keeps anybody out. */
export async function inspectPage(page: Page, state: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme } satisfies BrowserContextOptions);
    for (const [device, size] of [
      ["phone", PHONE],
      ["desktop", DESKTOP],
    ] as const) {
      await page.setViewportSize(size);
      const found = await page.evaluate<{ id: string; nodes: string[] }[]>(
        `${AXE};axe.run().then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((n) => n.html) })))`,
      );
      expect([state, colorScheme, device, found]).toEqual([state, colorScheme, device, []]);
      const overflow = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
      expect([state, device, overflow]).toEqual([state, device, false]);
      if (PICTURES !== undefined)
        await page.screenshot({
          path: join(PICTURES, `${state}-${device}-${colorScheme}.png`),
          fullPage: device === "desktop",
        });
    }
  }
  await page.setViewportSize(NARROW);
  const wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
  expect([state, "narrow", wide]).toEqual([state, "narrow", false]);
}

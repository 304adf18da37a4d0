import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { Browser } from "../../demo/browser.ts";
import type { Emulators } from "../../demo/emulators.ts";
import { freePort } from "../../demo/free-port.ts";
import { until } from "../../demo/until.ts";
import { addVirtualPasskey, makePasskey } from "../../demo/virtual-passkey.ts";
import { ROOT } from "../../scripts/build.ts";

/** A stranger with a checkout, a terminal and a browser, who has one page of the documents and nothing else. */
export interface Stranger {
  readonly issuer: string;
  readonly page: Page;
  /** Types a block of the page into their terminal. */
  type(block: string): Typed;
  /** Looks into the inbox, compares the match code where they were told one, and approves. */
  approve(matchCode?: string): Promise<void>;
  close(): Promise<void>;
}

export interface Typed {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<{ code: number | null; stdout: string }>;
}

export interface StrangerOptions {
  readonly emulators: Emulators;
  readonly browser: Browser;
  /** The page that they read, such as `README.md`; it has the blocks `start` and `setup`. */
  readonly document: string;
}

/** Follows a page as far as a broker that runs, a document that is applied, and a passkey. */
export async function startStranger({ emulators, browser, document }: StrangerOptions): Promise<Stranger> {
  const [port, serverPort] = [await freePort(), await freePort()];
  const issuer = `http://localhost:${port}`;
  const folder = mkdtempSync(join(tmpdir(), "stint-stranger-"));
  for (const name of ["package.json", "scripts", "examples", "node_modules"])
    symlinkSync(join(ROOT, name), join(folder, name));
  const env = { ...process.env, STINT_URL: issuer, GITHUB_TOKEN: "ghp_seed" };
  // What stands on the page, but for the ports and for GitHub, which is an emulator on loopback here.
  const blockOf = (name: string): string => {
    const text =
      new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``).exec(readFileSync(join(ROOT, document), "utf8"))?.[1] ?? "";
    expect(text).not.toBe("");
    return text
      .replaceAll("8787", String(port))
      .replaceAll("localhost:9000", `localhost:${serverPort}`)
      .replace("https://api.github.com", emulators.githubUrl)
      .replace("npm start", `exec npm start -- --port ${port} --allow-private-network`);
  };
  // The function that the page defines is there in the terminal as long as it is open.
  const own = /^stint\(\) .*$/m.exec(blockOf("setup"))?.[0] ?? "";
  const type = (block: string): Typed => {
    const child = spawn("sh", ["-ec", `${own}\n${blockOf(block)}`], { cwd: folder, env, detached: true });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise<{ code: number | null; stdout: string }>(
      (done) => void child.on("close", (code) => done({ code, stdout })),
    );
    return { child, ended, output: () => stdout + stderr };
  };
  const broker = type("start");
  await until("the broker", async () => (/^Stint listens on/m.test(broker.output()) ? true : undefined), 30_000);
  const { code, stdout } = await type("setup").ended;
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/Applied as version 1\.\nSealed GITHUB_KEY\.\nhttp:\S+\n$/),
  ]);
  const page = await browser.newPage();
  await addVirtualPasskey(page);
  await makePasskey(page, stdout.trim().split("\n").at(-1) ?? "");
  return {
    issuer,
    page,
    type,
    async approve(matchCode) {
      const look = page.getByRole("button", { name: /^Look at it/ });
      await until("the request in the inbox", async () => {
        await page.goto(`${issuer}/inbox`);
        const signIn = page.getByRole("button", { name: "Sign in with a passkey" });
        const inbox = page.getByRole("heading", { level: 1, name: /waits? for you$/ });
        await signIn.or(inbox).waitFor();
        if (await signIn.isVisible()) await signIn.click();
        await inbox.waitFor();
        return (await look.isVisible()) ? true : undefined;
      });
      await look.click();
      await page.getByRole("heading", { name: /asks for access$/ }).waitFor();
      if (matchCode !== undefined) expect(await page.locator(".match strong").textContent()).toBe(matchCode);
      await page.getByRole("button", { name: "Review and approve" }).click();
      await page.getByRole("button", { name: /^Approve as Dana/ }).click();
      await page.getByRole("heading", { name: "Approved", exact: true }).waitFor();
    },
    async close() {
      process.kill(-(broker.child.pid ?? 0), "SIGTERM");
      await broker.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

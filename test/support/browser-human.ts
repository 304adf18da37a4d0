import type { Browser } from "../../demo/browser.ts";
import { Approver } from "./approver.ts";
import type { TestWorld } from "./world.ts";

/**
 * What a human does with an authorization URL, in a real browser: says who they are, opens the link
 * that they are sent in a second tab, looks, approves, and finds the first tab gone on.
 */
export async function approveInBrowser(world: TestWorld, browser: Browser, url: string | URL): Promise<void> {
  const page = await browser.newPage();
  const problems: string[] = [];
  // What the client's own page lacks, such as an icon, is not ours.
  page.on("console", (message) => {
    if (message.type() === "error" && message.location().url.startsWith(world.issuer)) problems.push(message.text());
  });
  await page.goto(String(url));
  await page.getByLabel("You are").fill("dana@acme.example");
  await page.getByRole("button", { name: "Send me the approval link" }).press("Enter");
  await page.getByRole("heading", { name: "Waiting for your approval" }).waitFor();
  const sessionId = await page.locator("input[name=session]").inputValue();
  const { token } = await Approver.bySlack(world, "dana", sessionId);
  const second = await browser.newPage();
  await second.goto(`${world.issuer}/approve#${token}`);
  await second.getByRole("button", { name: "Review and approve" }).click();
  await second.getByRole("button", { name: /^Approve as Dana/ }).click();
  await second.getByRole("heading", { name: "Approved", exact: true }).waitFor();
  await second.close();
  await page.waitForURL(/\/callback\?/, { timeout: 15_000 });
  await page.close();
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

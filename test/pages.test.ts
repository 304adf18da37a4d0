import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { Approver } from "./support/approver.ts";
import { ask, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let browser: Browser;
beforeAll(async () => {
  world = await startTestWorld();
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function open(changes: Record<string, unknown> = {}) {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id, match_code } = (await agent.ask(ask(changes))).body;
  const { token } = await Approver.bySlack(world, "dana", session_id);
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("console", (message) => void (message.type() === "error" && problems.push(message.text())));
  page.on("pageerror", (error) => void problems.push(error.message));
  await page.goto(`${world.issuer}/approve#${token}`);
  return { agent, auth_req_id, match_code, token, page, problems };
}

const heading = (page: Page, name: string) => page.getByRole("heading", { name, exact: true }).waitFor();

describe("the approval page in a browser", () => {
  it("takes the token out of the address and the history, and leaves nothing in storage", async () => {
    const { page, token, problems } = await open();
    await page.getByRole("heading", { name: /asks for access/ }).waitFor();
    expect(page.url()).not.toContain(token);
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie, document.referrer]));
    expect(kept).not.toContain(token);
    await page.goBack().catch(() => undefined);
    expect(page.url()).not.toContain(token);
    expect(problems).toEqual([]);
  });

  it("is narrowed and approved with the keyboard alone", async () => {
    const { page, agent, auth_req_id, match_code, problems } = await open();
    await page.getByText(match_code).waitFor();
    await page.getByRole("checkbox", { name: /Open, change and close issues/ }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Review and approve" }).focus();
    await page.keyboard.press("Enter");
    await heading(page, "Approve exactly this?");
    await page.getByRole("button", { name: /^Approve as Dana/ }).focus();
    await page.keyboard.press("Enter");
    await heading(page, "Approved");
    const redeemed = await agent.poll(auth_req_id);
    expect(redeemed.status).toBe(200);
    expect(JSON.stringify(redeemed.body["authorization_details"])).not.toContain("issues:write");
    expect(problems).toEqual([]);
  });

  it("denies with one press, and A33 says so in a second tab", async () => {
    const { page, agent, auth_req_id, token } = await open();
    const second = await browser.newPage();
    await second.goto(`${world.issuer}/approve#${token}`);
    await second.getByRole("button", { name: "Deny" }).waitFor();
    await page.getByRole("button", { name: "Deny" }).click();
    await heading(page, "Denied");
    await second.getByRole("button", { name: "Deny" }).click();
    await heading(second, "Already decided");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
  });

  it("I05 shows the agent's words as text, below the facts and in a box of limited height", async () => {
    const { page } = await open({ task: { title: "<b>bold</b>", description: "line\n".repeat(39) } });
    await page.getByText("<b>bold</b>").waitFor();
    const quote = await page.getByRole("blockquote").last().boundingBox();
    const approve = await page.getByRole("button", { name: "Review and approve" }).boundingBox();
    expect(quote!.height).toBeLessThan(200);
    expect(quote!.y).toBeGreaterThan(approve!.y);
  });

  it("fits a phone without sideways scrolling", async () => {
    const { page } = await open();
    await page.setViewportSize({ width: 320, height: 640 });
    await page.getByRole("heading", { name: /asks for access/ }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
  });

  it("says what to do with a link that is cut short or missing", async () => {
    const page = await browser.newPage();
    await page.goto(`${world.issuer}/approve`);
    await page.getByText("This link is incomplete").waitFor();
    await page.goto(`${world.issuer}/approve?x#abc`);
    await heading(page, "This link is not valid");
  });
});

import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { addVirtualPasskey, makePasskey } from "../demo/virtual-passkey.ts";
import { inspectPage } from "./support/inspect-page.ts";
import { invitation } from "./support/invited.ts";
import { startLinkingWorld } from "./support/linking-world.ts";
import type { NotesCompany } from "./support/notes-account.ts";
import { approvedSession, type TestWorld } from "./support/world.ts";

const SAM = "sam@acme.example";

let world: TestWorld;
let company: NotesCompany;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  ({ world, company } = await startLinkingWorld());
  browser = await startBrowser();
  page = await browser.newPage();
  await addVirtualPasskey(page);
  await makePasskey(page, `${world.issuer}/enrol#${await invitation(world, SAM)}`);
});
afterAll(async () => {
  await browser?.close();
  await company?.close();
  await world?.close();
});

const heading = (name: string | RegExp) => page.getByRole("heading", { level: 1, name }).waitFor();
const press = (name: string | RegExp) => page.getByRole("button", { name }).first().click();

describe("linking an account, in a browser, in every state", () => {
  it("signs in, links at the company, with the keyboard alone, and is back", async () => {
    await page.goto(`${world.issuer}/accounts`);
    await press("Sign in with a passkey");
    await heading("Linked accounts");
    await inspectPage(page, "accounts");
    await page.getByRole("button", { name: "Link your account: notes", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Login").fill("sam-at-notes");
    await press("Allow");
    await heading("Linked");
    await inspectPage(page, "account-linked");
    await page.getByRole("link", { name: "Linked accounts" }).click();
    await page.getByText("Linked.", { exact: true }).waitFor();
    await inspectPage(page, "accounts-linked");
  });

  it("says what is broken, and is mended by linking anew", async () => {
    const session = await approvedSession(world, {
      authorization_details: [{ type: "upstream_access", upstream: "notes", actions: ["notes:read"] }],
      user: SAM,
    });
    company.dropNextTokenAnswer();
    const token = await session.proxyToken("notes");
    expect((await session.agent.call(token, "GET", "/proxy/notes/notes")).status).toBe(502);
    await page.goto(`${world.issuer}/accounts`);
    await page.getByText("Not usable").waitFor();
    await inspectPage(page, "accounts-broken");
    await press("Link anew: notes");
    await page.getByLabel("Login").fill("sam-at-notes");
    await press("Allow");
    await heading("Linked");
  });

  it("says no when the person does, and unlinks", async () => {
    await page.goto(`${world.issuer}/accounts`);
    await press("Link anew: notes");
    await page.getByLabel("Login").fill("");
    await press("Allow");
    await heading("Nothing was linked");
    await inspectPage(page, "account-not-linked");
    await page.goto(`${world.issuer}/accounts`);
    await press("Unlink: notes");
    await heading("Unlinked");
    await inspectPage(page, "account-unlinked");
  });

  it("says what is mixed up, was not begun here, or cannot be reached", async () => {
    await page.goto(`${world.issuer}/accounts/callback/notes?code=x&state=y`);
    await heading("This was not begun here");
    await inspectPage(page, "account-not-begun");
    await page.goto(`${world.issuer}/accounts`);
    const asked = page.waitForRequest((request) => request.url().startsWith(`${company.issuer}/auth?`));
    await press("Link your account: notes");
    const state = new URL((await asked).url()).searchParams.get("state") ?? "";
    await page.getByLabel("Login").waitFor();
    const answer = new URLSearchParams({ code: "a-code", state, iss: company.issuer }).toString();
    await page.goto(`${world.issuer}/accounts/callback/other.notes?${answer}`);
    await heading("This answer belongs to another upstream");
    await inspectPage(page, "account-mixed-up");
    await company.close();
    await page.goto(`${world.issuer}/accounts/callback/notes?${answer}`);
    await heading("The upstream cannot be reached");
    await inspectPage(page, "account-unavailable");
  });
});

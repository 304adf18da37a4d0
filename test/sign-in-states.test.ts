import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { addVirtualPasskey, makePasskey } from "../demo/virtual-passkey.ts";
import { Approver } from "./support/approver.ts";
import type { IdentityProviderHost } from "./support/identity-provider.ts";
import { inspectPage } from "./support/inspect-page.ts";
import { invitation } from "./support/invited.ts";
import { startSsoWorld } from "./support/sso-world.ts";
import { ask, READ_API, WRITE_API, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let provider: IdentityProviderHost;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  ({ world, provider } = await startSsoWorld());
  browser = await startBrowser();
  page = await browser.newPage();
  await addVirtualPasskey(page);
});
afterAll(async () => {
  await browser?.close();
  await provider?.close();
  await world?.close();
});

const heading = (name: string | RegExp) => page.getByRole("heading", { level: 1, name }).waitFor();
const press = (name: string | RegExp) => page.getByRole("button", { name }).click();

/** The human's part at the provider, which asks once per browser as long as it remembers them. */
async function signInAs(login: string): Promise<void> {
  await page.getByLabel("Login").fill(login);
  await press("Sign in");
}

async function request(agent = world.freshAgent()): Promise<string> {
  const wanted = ask({ authorization_details: [READ_API, WRITE_API] });
  return (await (await agent).ask(wanted)).body.session_id;
}

describe("signing in, in a browser, in every state", () => {
  it("asks who it is before it shows a request, and comes back to that request", async () => {
    const { token } = await Approver.bySlack(world, "dana", await request());
    await page.goto(`${world.issuer}/approve#${token}`);
    await page.getByRole("button", { name: /^Sign in/ }).waitFor();
    await inspectPage(page, "sign-in-first");
    await press(/^Sign in/);
    await signInAs("dana");
    await heading(/asks for access/);
    await page.getByText("Deciding as Dana").waitFor();
    await inspectPage(page, "view-signed-in");
    await press("Review and approve");
    await press(/^Approve/);
    await heading("Approved");
  });

  it("shows what is at work and what waits, each a page of its own, with the keyboard alone", async () => {
    await page.goto(`${world.issuer}/inbox`);
    await heading("Nothing waits for you");
    await page.getByRole("heading", { name: "At work, approved by you" }).waitFor();
    await request();
    await page.reload();
    await heading("One request waits for you");
    await inspectPage(page, "inbox");
    await page.getByRole("button", { name: /^Look at it/ }).focus();
    await page.keyboard.press("Enter");
    await heading(/asks for access/);
    await press("Deny");
    await heading("Denied");
    await page.goto(`${world.issuer}/inbox`);
    await press(/^Watch or end it/);
    await heading(/is at work/);
    await press("End it now");
    await heading("Ended");
    await page.goto(`${world.issuer}/inbox`);
    await heading("Nothing waits for you");
    await inspectPage(page, "inbox-empty");
  });

  it("has somebody stand in while it is away, and ends that, with the keyboard alone", async () => {
    await page.goto(`${world.issuer}/inbox`);
    await page.getByRole("link", { name: "When you are away" }).click();
    await heading("When you are away");
    await inspectPage(page, "away");
    await page.getByLabel("Stand-in").selectOption("mallory@acme.example");
    await page.getByLabel("Until").focus();
    await page.keyboard.press("Enter");
    await heading("Mallory stands in for you");
    await page.getByRole("link", { name: "Your inbox" }).click();
    await page.getByText(/^You are away until/).waitFor();
    await inspectPage(page, "inbox-away");
    await page.getByRole("link", { name: "Change it" }).click();
    await heading("When you are away");
    await inspectPage(page, "away-now");
    await page.getByRole("button", { name: "End it: I am back" }).focus();
    await page.keyboard.press("Enter");
    await heading("You are back");
  });

  it("signs out, and in again with a passkey that says who they are", async () => {
    await page.goto("about:blank");
    await makePasskey(page, `${world.issuer}/enrol#${await invitation(world, "dana@acme.example")}`);
    await page.goto(`${world.issuer}/inbox`);
    await press("Sign out");
    await heading("Signed out");
    await inspectPage(page, "signed-out");
    await page.goto(`${world.issuer}/inbox`);
    await heading("Sign in");
    await inspectPage(page, "sign-in");
    await press("Sign in with a passkey");
    await heading("Nothing waits for you");
    await page.getByText("Deciding as Dana").waitFor();
  });

  it("does not take the passkey for the sign-in that a policy demands, and takes both together", async () => {
    const { token } = await Approver.bySlack(world, "sam", await request(world.otherAgent()));
    await page.context().clearCookies();
    await makePasskey(page, `${world.issuer}/enrol#${await invitation(world, "sam@acme.example")}`);
    await page.goto(`${world.issuer}/approve#${token}`);
    await press(/^Sign in/);
    await signInAs("sam");
    await heading(/asks for access/);
    await press("Review and approve");
    await press(/with your passkey/);
    await heading("Approved");
  });

  it("says why nobody is signed in: of no group, unknown, not begun here, refused there", async () => {
    provider.accounts.set("mallory", { sub: "u-mallory", groups: [], acr: "urn:example:mfa" });
    await page.context().clearCookies();
    await page.goto(`${world.issuer}/sign-in`);
    await press(/^Sign in with localhost/);
    await signInAs("mallory");
    await heading("You have no role here");
    await inspectPage(page, "no-role");
    provider.accounts.set("nina", { sub: "u-nina", groups: ["approvers"], acr: "urn:example:mfa" });
    await page.context().clearCookies();
    await page.goto(`${world.issuer}/sign-in`);
    await press(/^Sign in with localhost/);
    await signInAs("nina");
    await heading("Nobody here is known by that sign-in");
    await inspectPage(page, "unknown-person");
    await page.goto(`${world.issuer}/sign-in/callback?code=x&state=y`);
    await heading("This sign-in did not begin here");
    await inspectPage(page, "not-begun-here");
    await page.context().clearCookies();
    await page.goto(`${world.issuer}/sign-in`);
    await press(/^Sign in with localhost/);
    await signInAs("nobody");
    await heading("That did not sign you in");
    await inspectPage(page, "not-signed-in");
  });

  it("stays readable where no script runs", async () => {
    const context = await browser.context.browser()!.newContext({ javaScriptEnabled: false });
    const bare = await context.newPage();
    await bare.goto(`${world.issuer}/inbox`);
    await bare.getByRole("button", { name: "Continue" }).click();
    await bare.getByRole("button", { name: /^Sign in with localhost/ }).waitFor();
    expect(await bare.title()).toContain("Sign in");
    await context.close();
  });

  it("says that the provider cannot be reached, when it cannot", async () => {
    await page.context().clearCookies();
    await page.goto(`${world.issuer}/sign-in`);
    const asked = page.waitForRequest((request) => request.url().startsWith(`${provider.issuer}/auth?`));
    await press(/^Sign in with localhost/);
    const state = new URL((await asked).url()).searchParams.get("state") ?? "";
    await page.getByLabel("Login").waitFor();
    await provider.close();
    const answer = new URLSearchParams({ code: "a-code", state, iss: provider.issuer });
    await page.goto(`${world.issuer}/sign-in/callback?${answer.toString()}`);
    await heading("Your identity provider cannot be reached");
    await inspectPage(page, "provider-unavailable");
  });
});

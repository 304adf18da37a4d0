import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { addVirtualPasskey, makePasskey } from "../demo/virtual-passkey.ts";
import { Approver } from "./support/approver.ts";
import { inspectPage, PHONE } from "./support/inspect-page.ts";
import { NATIVE_APP, startOAuthWorld, type OAuthWorld } from "./support/oauth-world.ts";
import { authorizationRequest, authorizationUrl } from "./support/oauth-requests.ts";
import { ask, READ_API, tokenOf, TOOLS, WRITE_API } from "./support/world.ts";

let world: OAuthWorld;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  world = await startOAuthWorld({
    adjust: (document) => ({
      ...document,
      policies: (document["policies"] as object[]).flatMap((policy) => [
        { ...policy, agents: ["triage-bot"], assurance: "passkey" },
        { ...policy, id: "by-link", agents: ["other-bot"] },
      ]),
    }),
  });
  browser = await startBrowser();
  page = await browser.newPage();
  await addVirtualPasskey(page);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

const TASK = {
  title: "Triage the open issues",
  description: "Read what was opened this week, answer what is a question,\nand open one issue with a summary.",
  reference: "https://github.com/acme/api/issues",
};

/** Dana's link to a fresh request, of an agent whose policy asks for a passkey or is content with the link. */
async function linkTo(assurance: "passkey" | "link" = "passkey"): Promise<string> {
  const agent = await (assurance === "link" ? world.otherAgent() : world.agent());
  const { session_id } = (await agent.ask(ask({ task: TASK, authorization_details: [READ_API, WRITE_API, TOOLS] })))
    .body;
  return (await Approver.bySlack(world, "dana", session_id)).token;
}

const openLink = async (token: string): Promise<void> => {
  await page.goto("about:blank");
  await page.goto(`${world.issuer}/approve#${token}`);
};
const heading = (name: string | RegExp) => page.getByRole("heading", { level: 1, name }).waitFor();

const inspect = (state: string) => inspectPage(page, state);

describe("every page, in every state, is for everybody (axe), fits a phone, and has a dark side", () => {
  it("the empty shell, and a link that is cut short", async () => {
    await page.goto(`${world.issuer}/approve`);
    await page.getByText("This link is incomplete").waitFor();
    await inspect("shell");
    await openLink("broken");
    await heading("This link is not valid");
    await inspect("invalid");
  });

  it("an approver without a passkey", async () => {
    await openLink(await linkTo());
    await page.getByText("you have none yet").waitFor();
    expect(await page.getByRole("button", { name: "Review and approve" }).count()).toBe(0);
    await inspect("no-passkey");
  });

  it("an invitation: looked at, used, used again, broken", async () => {
    const { body } = await world.broker.admin("POST", "/admin/people/dana@acme.example/invite", {});
    const link = String(body["link"]);
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByRole("button", { name: "Make a passkey" }).waitFor();
    await inspect("enrol");
    await page.goto("about:blank");
    await makePasskey(page, link);
    await inspect("enrolled");
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByRole("button", { name: "Make a passkey" }).click();
    await page.getByText("This device holds a passkey for you already.").waitFor();
    await inspect("enrol-problem");
    await page.goto(`${world.issuer}/enrol#broken`);
    await heading("This invitation is not valid");
    await inspect("enrol-invalid");
  });

  it("a request: looked at, nothing left, reviewed, signed with the keyboard alone, opened again", async () => {
    const token = await linkTo();
    await openLink(token);
    await heading(/asks for access/);
    await inspect("view");
    for (const box of await page.getByRole("checkbox").all()) await box.uncheck();
    await page.getByRole("button", { name: "Review and approve" }).click();
    await heading("Nothing is left to approve");
    await inspect("nothing-left");
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByLabel("Say to the agent").fill("Leave the old ones alone.");
    await page.getByRole("button", { name: "Review and approve" }).click();
    await heading("Approve exactly this?");
    await inspect("review");
    await page.getByRole("button", { name: /with your passkey/ }).focus();
    await page.keyboard.press("Enter");
    await heading("Approved");
    await inspect("approved");
    await openLink(token);
    await heading("Already decided");
    await inspect("decided");
  });

  it("a session at work: watched while it works, ended with one press, over", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask({ task: TASK }))).body;
    const { token } = await Approver.bySlack(world, "dana", session_id);
    await openLink(token);
    await page.getByRole("button", { name: "Review and approve" }).click();
    await page.getByRole("button", { name: /with your passkey/ }).click();
    await heading("Approved");
    await page.getByRole("button", { name: /Watch what it does/ }).click();
    await heading(/is at work/);
    const sessionToken = tokenOf(await agent.poll(auth_req_id));
    const proxyToken = tokenOf(await agent.exchange(sessionToken, `${world.issuer}/proxy/echo`));
    await agent.call(proxyToken, "GET", "/proxy/echo/things");
    await page.getByText("GET Read things · echo").waitFor();
    await inspect("watch");
    await page.getByRole("button", { name: "End it now" }).click();
    await heading("Ended");
    await inspect("ended");
    expect((await agent.call(proxyToken, "GET", "/proxy/echo/things")).status).toBe(401);
    await openLink(token);
    await heading("Already decided");
    expect(await page.getByRole("button", { name: /Watch/ }).count()).toBe(0);
  });

  it("a passkey that is not there, and the way back", async () => {
    await openLink(await linkTo());
    await page.getByRole("button", { name: "Review and approve" }).click();
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    await page.evaluate("navigator.credentials.get = () => Promise.reject(new DOMException('', 'NotAllowedError'))");
    await page.getByRole("button", { name: /with your passkey/ }).click();
    await page.getByText("Nothing was signed").waitFor();
    await inspect("not-signed");
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByRole("button", { name: "Deny" }).click();
    await heading("Denied");
    await inspect("denied");
  });

  it("a request that the link alone decides", async () => {
    await openLink(await linkTo("link"));
    await page.getByText("Only this link says that you are").waitFor();
    await inspect("view-by-link");
  });

  it("an authorization request: begun, waiting, in another browser, impossible", async () => {
    await page.goto(authorizationUrl(world, authorizationRequest({ ...NATIVE_APP })));
    await page.getByLabel("You are").waitFor();
    await inspect("authorize");
    await page.getByLabel("You are").fill("dana@acme.example");
    await page.getByRole("button", { name: "Send me the approval link" }).click();
    await heading("Waiting for your approval");
    await inspect("waiting");
    const sessionId = await page.locator("input[name=session]").inputValue();
    const { token } = await Approver.bySlack(world, "dana", sessionId);
    await page.context().clearCookies();
    await openLink(token);
    await page.getByText("begun in another browser").waitFor();
    await inspect("elsewhere");
    await page.goto(`${world.issuer}/oauth/authorize?client_id=nobody`);
    await heading("This request cannot be answered");
    await inspect("refused");
  });

  it("puts what is granted above the fold of a phone, whatever the agent says", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (
      await agent.ask(
        ask({ task: { title: "x".repeat(120), description: "line\n".repeat(39), reference: TASK.reference } }),
      )
    ).body;
    await page.setViewportSize(PHONE);
    await openLink((await Approver.bySlack(world, "dana", session_id)).token);
    await heading(/asks for access/);
    const write = await page.getByRole("group", { name: "May write" }).boundingBox();
    expect(write!.y).toBeLessThan(PHONE.height);
    const words = await page.getByRole("region", { name: "In the agent's own words" }).boundingBox();
    const deny = await page.getByRole("button", { name: "Deny" }).boundingBox();
    expect(words!.y).toBeGreaterThan(deny!.y);
  });

  it("weighs less than 60 KB in all, and loads nothing from elsewhere", async () => {
    const loaded: { url: string; size: number }[] = [];
    page.on("response", (response) => {
      void response.body().then(
        (body) => loaded.push({ url: response.url(), size: body.length }),
        () => undefined,
      );
    });
    await openLink(await linkTo());
    await heading(/asks for access/);
    await page.waitForLoadState("networkidle");
    expect(loaded.filter(({ url }) => !url.startsWith(world.issuer) && !url.startsWith("data:"))).toEqual([]);
    expect(loaded.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(60_000);
  });
});

import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { addVirtualPasskey, makePasskey } from "../demo/virtual-passkey.ts";
import { Approver } from "./support/approver.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

const DANA = "dana@acme.example";

let world: TestWorld;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      people: [...(document["people"] as object[]), { id: "max@acme.example", name: "Max", roles: ["approver"] }],
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, assurance: "passkey" })),
    }),
  });
  browser = await startBrowser();
  page = await browser.newPage();
  await addVirtualPasskey(page);
  const { body } = await world.broker.admin("POST", `/admin/people/${DANA}/invite`, {});
  await makePasskey(page, String(body["link"]));
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});
beforeEach(() => page.unrouteAll());

const heading = (name: string | RegExp) => page.getByRole("heading", { level: 1, name }).waitFor();
const press = (name: string | RegExp) => page.getByRole("button", { name }).click();

/** A request that Dana looks at, in a browser. */
async function opened() {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  const { token } = await Approver.bySlack(world, "dana", session_id);
  await page.goto("about:blank");
  await page.goto(`${world.issuer}/approve#${token}`);
  await heading(/asks for access/);
  return { agent, session_id, auth_req_id, token };
}

async function inZone(timezoneId: string, work: () => Promise<void>): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setTimezoneOverride", { timezoneId });
  try {
    await work();
  } finally {
    await devtools.send("Emulation.setTimezoneOverride", { timezoneId: "" });
  }
}

describe("what a page does when Stint does not answer", () => {
  it("goes on watching, and shows what happened meanwhile once it is back", async () => {
    const { agent, auth_req_id } = await opened();
    await press("Review and approve");
    await press(/with your passkey/);
    await heading("Approved");
    await press(/Watch what it does/);
    await heading(/is at work/);
    let asked = 0;
    await page.route("**/approve/watch", (route) => {
      asked += 1;
      return asked === 1
        ? route.fulfill({ status: 503, contentType: "application/json", body: '{"error":"temporarily_unavailable"}' })
        : route.abort();
    });
    await expect.poll(() => asked, { timeout: 15_000 }).toBeGreaterThan(1);
    await heading(/is at work/);
    await page.unrouteAll();
    const token = tokenOf(await agent.exchange(tokenOf(await agent.poll(auth_req_id)), `${world.issuer}/proxy/echo`));
    await agent.call(token, "GET", "/proxy/echo/things");
    await page.getByText("GET Read things · echo").waitFor();
    await page.getByRole("status").getByText("1 call let through, 0 refused.").waitFor();
  });

  it("signs nothing, says so, and can be pressed again", async () => {
    await opened();
    await press("Review and approve");
    await page.route("**/approve/challenge", (route) =>
      route.fulfill({ status: 503, contentType: "application/json", body: "{}" }),
    );
    await press(/with your passkey/);
    await page.getByRole("alert").getByText("Stint did not answer, so nothing was signed.").waitFor();
    await page.unrouteAll();
    await press(/with your passkey/);
    await heading("Approved");
  });

  it("leads to the page that says why, where what was shown is decided already", async () => {
    const { agent, auth_req_id, session_id } = await opened();
    await press("Review and approve");
    await heading("Approve exactly this?");
    const other = await Approver.bySlack(world, "dana", session_id);
    expect((await other.deny()).status).toBe(200);
    await press(/with your passkey/);
    await heading("Already decided");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
  });
});

describe("the buttons of the browser", () => {
  it("lead back to the inbox from a request, and show it again as it is then", async () => {
    await page.goto(`${world.issuer}/inbox`);
    await heading("Sign in");
    await page.reload();
    await heading("Sign in");
    const { token } = await opened();
    await page.goto(`${world.issuer}/inbox`);
    await press(/passkey/);
    await heading(/wait.* for you/);
    await page
      .getByRole("button", { name: /^Look at it/ })
      .first()
      .click();
    await heading(/asks for access/);
    expect((await new Approver(world.issuer, token).deny()).status).toBe(200);
    await page.goBack();
    await heading(/wait.* for you/);
    expect(page.url()).toBe(`${world.issuer}/inbox`);
    const waiting = await page.getByRole("button", { name: /^Look at it/ }).count();
    await opened();
    await page.goto(`${world.issuer}/inbox`);
    await heading(/wait.* for you/);
    await page.reload();
    await heading(/wait.* for you/);
    expect(await page.getByRole("button", { name: /^Look at it/ }).count()).toBe(waiting + 1);
  });
});

describe("a moment on a page", () => {
  it("is the reader's, names its zone, and keeps what it is in UTC", async () => {
    await inZone("America/St_Johns", async () => {
      await opened();
      await press("Review and approve");
      await heading("Approve exactly this?");
      const time = page.locator(".until time");
      const [shown, title, at] = [
        await time.textContent(),
        await time.getAttribute("title"),
        await time.getAttribute("datetime"),
      ];
      const expected = new Intl.DateTimeFormat("en-US", {
        hour: "numeric",
        minute: "2-digit",
        timeZone: "America/St_Johns",
        timeZoneName: "short",
      }).format(new Date(String(at)));
      expect(shown).toContain(expected);
      expect(title).toBe(`${String(at).slice(0, 16).replace("T", " ")} UTC`);
    });
  });

  it("is filled in by the reader's clock, and kept in UTC", async () => {
    await page.goto(`${world.issuer}/inbox`);
    await heading(/wait.* for you/);
    await inZone("Australia/Eucla", async () => {
      await page.goto(`${world.issuer}/inbox/away`);
      await heading("When you are away");
      await page.getByText("Both by your clock (Australia/Eucla).").waitFor();
      const from = page.getByLabel("From");
      const shown = Date.parse(`${await from.inputValue()}Z`) - (8 * 60 + 45) * 60_000;
      expect(Math.abs(shown - Date.now())).toBeLessThan(10 * 60_000);
      await page.getByLabel("Stand-in").selectOption("max@acme.example");
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
      await page.getByLabel("Until").fill(`${tomorrow}T12:00`);
      await press("Let them stand in");
      await heading("Max stands in for you");
      expect(await page.locator("time").last().getAttribute("datetime")).toBe(`${tomorrow}T03:15:00.000Z`);
    });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, readFields } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import type { IdentityProviderHost } from "./support/identity-provider.ts";
import { SsoBrowser } from "./support/sso-browser.ts";
import { startSsoWorld } from "./support/sso-world.ts";
import { ask, READ_API, type TestWorld } from "./support/world.ts";

const [BEGIN, END] = ["/inbox/away/begin", "/inbox/away/end"];

let world: TestWorld;
let provider: IdentityProviderHost;
let dana: SsoBrowser;
beforeAll(async () => {
  ({ world, provider } = await startSsoWorld());
  dana = await signedIn("dana");
});
afterAll(async () => {
  await provider?.close();
  await world?.close();
});
beforeEach(async () => {
  await world.broker.admin("DELETE", "/admin/people/dana@acme.example/away");
});

async function signedIn(login: string): Promise<SsoBrowser> {
  const browser = new SsoBrowser(world);
  const page = await browser.comeBack(await provider.signIn(String(await browser.begin("away")), login));
  expect([page.status, page.location]).toEqual([303, "/inbox/away"]);
  return browser;
}

const view = ({ visitor }: SsoBrowser) => visitor.post("/inbox/away/view", {});
const csrfOf = async (browser: SsoBrowser) => readFields((await view(browser)).html).get("csrf") ?? "";
/** As a field of type `datetime-local` has it. */
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 16);
const filled = () => ({ delegate: "mallory@acme.example", from: inHours(0), until: inHours(24) });

async function post(browser: SsoBrowser, path: string, fields: object = {}, headers?: Record<string, string>) {
  return browser.visitor.post(path, { csrf: await csrfOf(browser), ...fields }, headers);
}

/** Who stands in for whom, where an agent asks now. */
async function standIns(): Promise<unknown> {
  const { body } = await (await world.freshAgent()).ask(ask({ authorization_details: [READ_API] }));
  const described = await world.broker.admin("GET", `/admin/sessions/${body.session_id}`);
  return (described.body["plan"] as { stand_ins?: unknown }).stand_ins;
}

describe("an approver's own absence", () => {
  it("is begun and ended by themselves; the stand-in is asked, both are told, and the log says by whom", async () => {
    expect((await dana.inbox()).html).toContain("When you are away");
    const begun = await post(dana, BEGIN, filled());
    expect([begun.status, begun.html.includes("Mallory stands in for you")]).toEqual([200, true]);
    expect((await dana.inbox()).html).toContain("You are away until");
    expect((await view(dana)).html).toContain("<bdi>Mallory</bdi> stands in for you");
    expect(await standIns()).toEqual([{ person: "mallory@acme.example", for: "dana@acme.example" }]);
    await until("Dana's message of it", async () =>
      (await world.emulators.directMessages(await world.emulators.slackId("dana"))).find((text) =>
        text.includes("may decide requests in the place of"),
      ),
    );
    expect((await post(dana, END)).html).toContain("You are back");
    expect(await standIns()).toBeUndefined();
    expect((await post(dana, END)).status).toBe(409);
    const rows = await until("the audit rows", async () => {
      const found = (await auditRows(world)).filter(({ type }) => type === "person.away" || type === "person.back");
      return found.length >= 2 ? found : undefined;
    });
    const about = { person: "dana@acme.example", by: "dana@acme.example" };
    expect(rows.map(({ type, data }) => [type, JSON.parse(data)])).toMatchObject([
      ["person.away", { ...about, delegate: "mallory@acme.example" }],
      ["person.back", about],
    ]);
  });

  it("may come later, and is changed by another", async () => {
    await post(dana, BEGIN, { ...filled(), from: inHours(2) });
    expect((await view(dana)).html).toContain("<bdi>Mallory</bdi> will stand in for you");
    expect(await standIns()).toBeUndefined();
    await post(dana, BEGIN, { ...filled(), delegate: "max@acme.example" });
    expect(await standIns()).toEqual([{ person: "max@acme.example", for: "dana@acme.example" }]);
    expect((await view(dana)).html).not.toContain("<bdi>Mallory</bdi>");
  });

  it("W02 lets nobody decide about an agent of their own", async () => {
    // Sam owns every agent here.
    expect((await post(dana, BEGIN, { ...filled(), delegate: "sam@acme.example" })).status).toBe(200);
    expect(await standIns()).toBeUndefined();
  });

  it.each<[string, Record<string, string>, string]>([
    ["themselves", { delegate: "dana@acme.example" }, "nobody stands in for themselves"],
    ["nobody", { delegate: "" }, "is not one of people"],
    ["somebody who is not here", { delegate: "<b>evil</b>" }, "&lt;b&gt;evil&lt;/b&gt;"],
    ["an end before its beginning", { from: inHours(30) }, "ends after it begins"],
    ["a time that is over", { until: inHours(-1) }, "is over already"],
    ["more than thirty days", { until: inHours(31 * 24) }, "30 days"],
    ["a day that is none", { until: "2030-02-30T10:00" }, "give both times"],
    ["a day without its hour", { until: "2030-02-20" }, "give both times"],
    ["a time in words", { until: "tomorrow" }, "give both times"],
    ["no time", { until: "" }, "give both times"],
  ])("is not begun with %s; the form says why and keeps the rest", async (_, changes, why) => {
    const { status, html } = await post(dana, BEGIN, { ...filled(), ...changes });
    expect([status, html.includes('role="alert"'), html.includes(why)]).toEqual([400, true, true]);
    expect(html).not.toContain("<b>evil");
    if (changes["delegate"] === undefined) expect(html).toMatch(/<option value="mallory@acme.example" selected[^>]*>/);
    expect((await dana.inbox()).html).not.toContain("You are away until");
  });

  it("A03 is begun and ended by its own form alone, in the browser that it was shown in", async () => {
    const max = await (async () => {
      provider.accounts.set("max", { sub: "u-max", groups: ["approvers"], acr: "urn:example:mfa" });
      return signedIn("max");
    })();
    const foreign = { origin: "https://evil.example" };
    const nobody = new SsoBrowser(world);
    for (const path of [BEGIN, END]) {
      expect((await dana.visitor.post(path, filled())).status).toBe(403);
      expect((await post(dana, path, { ...filled(), csrf: "x" })).status).toBe(403);
      expect((await post(dana, path, { ...filled(), csrf: await csrfOf(max) })).status).toBe(403);
      expect((await post(dana, path, filled(), foreign)).status).toBe(403);
      expect((await nobody.visitor.post(path, filled())).html).toContain("Sign in with");
      expect((await fetch(world.issuer + path)).status).toBe(405);
    }
    expect((await dana.visitor.post("/inbox/away/view", {}, foreign)).status).toBe(403);
    expect((await dana.inbox()).html).not.toContain("You are away until");
  });

  it("is nobody else's to say, whatever a form names", async () => {
    await post(dana, BEGIN, { ...filled(), person: "sam@acme.example", id: "sam@acme.example" });
    const { status } = await world.broker.admin("DELETE", "/admin/people/sam@acme.example/away");
    expect(status).toBe(404);
    expect((await world.broker.admin("DELETE", "/admin/people/dana@acme.example/away")).status).toBe(200);
  });

  it("is nothing to somebody who decides nothing", async () => {
    const people = (world.document["people"] as { id: string }[]).map((person) =>
      person.id === "max@acme.example" ? { ...person, roles: [] } : person,
    );
    await world.broker.admin("POST", "/admin/tenant", { ...world.document, people });
    const max = await signedIn("max");
    expect((await view(max)).status).toBe(403);
    expect((await max.inbox()).html).not.toContain("/inbox/away");
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("is changed by a GET of nothing", async () => {
    const html = await (await fetch(`${world.issuer}/inbox/away`)).text();
    expect(readFields(html).get("csrf")).toBeUndefined();
    expect(html).toContain('action="/inbox/away/view"');
    expect((await new Approver(world.issuer, "").post("/inbox/away/view", {})).html).toContain("Sign in with");
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { ask, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, enter_match_code: true })),
    }),
  });
});
afterAll(() => world?.close());

describe("a policy under which the match code is typed", () => {
  it("tells the code to the agent alone, and lets nobody approve without it", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id, match_code } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    const { html } = await dana.view();
    const slack = await world.emulators.directMessages(await world.emulators.slackId("dana"));
    const mail = await until("the mail", async () =>
      (await world.emulators.mails()).find(({ to }) => to.includes("dana@acme.example")),
    );
    for (const text of [html, slack.join(), mail.text, mail.html]) expect(text).not.toContain(match_code);

    const typed = async (code: string) => {
      await dana.view();
      return dana.review(undefined, undefined, { match_code: code });
    };
    for (const wrong of ["", "BBB-BBB", match_code.slice(1), `${match_code}B`])
      expect((await typed(wrong)).html).toContain("That is not the code");
    expect((await typed(match_code.toLowerCase().replace("-", " "))).html).toContain("Approve exactly this?");
    expect((await dana.decide("approve", { match_code: "BBB-BBB" })).status).toBe(400);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await typed(match_code);
    expect((await dana.decide("approve")).html).toContain("Approved");
  });

  it("takes ten guesses in all, by whomever and at once, and after them not the right one", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id, match_code } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    const guesses = Array.from({ length: 30 }, async (_, at) => {
      const browser = new Approver(world.issuer, dana.token);
      await browser.view();
      return (await browser.review(undefined, undefined, { match_code: `ZZZ-Z${at + 10}` })).status;
    });
    const answers = await Promise.all(guesses);
    expect(answers.filter((status) => status === 400)).toHaveLength(10);
    expect(answers.filter((status) => status === 403)).toHaveLength(20);
    await dana.view();
    const { html } = await dana.review(undefined, undefined, { match_code });
    expect(html).toContain("Too many wrong codes");
    await dana.view();
    expect((await dana.decide("approve", { match_code })).status).toBe(403);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await until("the guesses in the log", async () =>
      (await auditRows(world)).find(({ source, data }) => source === session_id && data.includes("wrong_match_code")),
    );
    await dana.view();
    expect((await dana.decide("deny")).status).toBe(200);
  });

  it("A31 is not asked for to deny", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    expect((await (await Approver.bySlack(world, "dana", session_id)).deny()).html).toContain("Denied");
  });
});

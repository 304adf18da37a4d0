import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
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

  it("A31 is not asked for to deny", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    expect((await (await Approver.bySlack(world, "dana", session_id)).deny()).html).toContain("Denied");
  });
});

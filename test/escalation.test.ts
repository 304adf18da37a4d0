import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Approver, linksIn } from "./support/approver.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      people: [...(document["people"] as object[]), { id: "kim@acme.example", name: "Kim" }],
      agents: (document["agents"] as object[]).map((agent) => ({ ...agent, owner: "kim@acme.example" })),
      policies: (document["policies"] as object[]).map((policy) => ({
        ...policy,
        approvers: ["dana@acme.example"],
        escalate: { after: "3s", to: ["sam@acme.example", "kim@acme.example"] },
      })),
    }),
  });
});
afterAll(() => world?.close());

const linksOf = async (name: "dana" | "sam"): Promise<string[]> =>
  (await world.emulators.directMessages(await world.emulators.slackId(name))).flatMap(linksIn);

describe("a policy that asks others when nobody decides", () => {
  it("sends the next approvers their links after the time, and they may decide; the agent's owner is not among them", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    await Approver.bySlack(world, "dana", session_id);
    expect(await linksOf("sam")).toEqual([]);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}`);
    expect(body["plan"]).toMatchObject({
      approvers: ["dana@acme.example"],
      later: { after_seconds: 3, approvers: ["sam@acme.example"] },
    });
    const sam = await Approver.bySlack(world, "sam", session_id);
    expect((await sam.approve()).html).toContain("Approved");
    expect(tokenOf(await agent.poll(auth_req_id))).toBeTruthy();
  });

  it("asks nobody else once it is decided", async () => {
    const before = (await linksOf("sam")).length;
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    await (await Approver.bySlack(world, "dana", session_id)).deny();
    // A later request's second round is over when this one's would have been.
    const later = (await (await world.freshAgent()).ask(ask())).body.session_id;
    await Approver.bySlack(world, "sam", later);
    const sessions = (await linksOf("sam")).slice(0, -before || undefined);
    expect(sessions.length).toBe(1);
  });
});
